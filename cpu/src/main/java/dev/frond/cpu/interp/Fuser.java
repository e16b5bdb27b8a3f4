// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import static java.lang.constant.ConstantDescs.CD_List;
import static java.lang.constant.ConstantDescs.CD_MethodHandles_Lookup;
import static java.lang.constant.ConstantDescs.CD_Object;
import static java.lang.constant.ConstantDescs.CD_String;
import static java.lang.constant.ConstantDescs.CD_int;
import static java.lang.constant.ConstantDescs.CD_void;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;

import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.constant.ClassDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.List;

/** Makes {@link Fused} nodes. */
final class Fuser {
    private static final ClassDesc NODE = desc(Node.class);
    private static final ClassDesc CPU = desc(Cpu.class);
    private static final ClassDesc FAULT = desc(CpuFault.class);
    private static final ClassDesc FUSED = desc(Fused.class);
    private static final ClassDesc SELF = ClassDesc.of(Fuser.class.getPackageName(), "Run");
    private static final MethodTypeDesc EXECUTE = MethodTypeDesc.of(NODE, CPU);
    private static final MethodTypeDesc NEW = MethodTypeDesc.of(CD_void, CD_List);

    private static final int THIS = 0;
    private static final int THE_CPU = 1;
    private static final int AT = 2;
    private static final int FOLLOWING = 3;

    private Fuser() {}

    private static ClassDesc desc(Class<?> of) {
        return of.describeConstable().orElseThrow();
    }

    /** A node that does what {@code nodes}, each followed by the next, do. */
    static Fused fuse(List<Node> nodes) {
        byte[] bytes =
                ClassFile.of()
                        .build(
                                SELF,
                                c -> {
                                    c.withFlags(ClassFile.ACC_FINAL | ClassFile.ACC_SUPER);
                                    c.withSuperclass(FUSED);
                                    for (int i = 0; i < nodes.size(); i++) {
                                        c.withField(
                                                "n" + i,
                                                NODE,
                                                ClassFile.ACC_STATIC | ClassFile.ACC_FINAL);
                                    }
                                    c.withMethodBody(
                                            "<clinit>",
                                            MethodTypeDesc.of(CD_void),
                                            ClassFile.ACC_STATIC,
                                            b -> constants(b, nodes.size()));
                                    c.withMethodBody(
                                            "<init>",
                                            NEW,
                                            0,
                                            b ->
                                                    b.aload(0)
                                                            .aload(1)
                                                            .invokespecial(FUSED, "<init>", NEW)
                                                            .return_());
                                    c.withMethodBody(
                                            "execute",
                                            EXECUTE,
                                            ClassFile.ACC_PUBLIC,
                                            b -> execute(b, nodes));
                                });
        try {
            MethodHandles.Lookup made =
                    MethodHandles.lookup().defineHiddenClassWithClassData(bytes, nodes, true);
            return (Fused)
                    made.findConstructor(
                                    made.lookupClass(),
                                    MethodType.methodType(void.class, List.class))
                            .invoke(nodes);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static void constants(CodeBuilder b, int count) {
        ClassDesc handles = desc(MethodHandles.class);
        ClassDesc klass = desc(Class.class);
        b.invokestatic(handles, "lookup", MethodTypeDesc.of(CD_MethodHandles_Lookup))
                .ldc("_")
                .ldc(CD_List)
                .invokestatic(
                        handles,
                        "classData",
                        MethodTypeDesc.of(CD_Object, CD_MethodHandles_Lookup, CD_String, klass))
                .checkcast(CD_List)
                .astore(0);
        for (int i = 0; i < count; i++) {
            b.aload(0)
                    .loadConstant(i)
                    .invokeinterface(CD_List, "get", MethodTypeDesc.of(CD_Object, CD_int))
                    .checkcast(NODE)
                    .putstatic(SELF, "n" + i, NODE);
        }
        b.return_();
    }

    private static void execute(CodeBuilder b, List<Node> nodes) {
        Label again = b.newLabel();
        Label begin = b.newLabel();
        Label end = b.newLabel();
        Label caught = b.newLabel();
        Label leave = b.newLabel();
        b.exceptionCatch(begin, end, caught, FAULT);
        b.loadConstant(0).istore(AT);
        b.labelBinding(again);
        b.labelBinding(begin);
        int last = nodes.size() - 1;
        for (int i = 0; i <= last; i++) {
            b.loadConstant(i).istore(AT);
            b.getstatic(SELF, "n" + i, NODE)
                    .aload(THE_CPU)
                    .invokevirtual(NODE, "execute", EXECUTE);
            Node node = nodes.get(i);
            if (i == last) {
                b.dup().astore(FOLLOWING).aload(THIS).if_acmpeq(again);
                b.goto_(leave);
            } else if (node.jump != null || node instanceof ConditionalJump) {
                b.dup().astore(FOLLOWING).getstatic(SELF, "n" + (i + 1), NODE).if_acmpne(leave);
            } else {
                b.pop();
            }
        }
        b.labelBinding(end);
        b.labelBinding(caught);
        b.aload(THIS).iload(AT).putfield(SELF, "failed", CD_int).athrow();
        b.labelBinding(leave);
        b.aload(FOLLOWING).areturn();
    }

    /** The nodes of the block that {@code first} begins. */
    static List<Node> block(Node first, int most) {
        List<Node> nodes = new ArrayList<>();
        Node node = first;
        nodes.add(node);
        while (node.next != node && nodes.size() < most) {
            ConditionalJump jump = node.jump;
            node = jump == null ? node.next : jump.next;
            nodes.add(node);
        }
        return nodes;
    }
}
