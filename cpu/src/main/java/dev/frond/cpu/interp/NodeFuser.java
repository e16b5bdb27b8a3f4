// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import static java.lang.constant.ConstantDescs.CD_List;
import static java.lang.constant.ConstantDescs.CD_MethodHandles_Lookup;
import static java.lang.constant.ConstantDescs.CD_Object;
import static java.lang.constant.ConstantDescs.CD_String;
import static java.lang.constant.ConstantDescs.CD_int;
import static java.lang.constant.ConstantDescs.CD_void;
import static java.lang.constant.ConstantDescs.CLASS_INIT_NAME;
import static java.lang.constant.ConstantDescs.DEFAULT_NAME;
import static java.lang.constant.ConstantDescs.INIT_NAME;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;

import org.jspecify.annotations.Nullable;

import java.lang.classfile.ClassBuilder;
import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.constant.ClassDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.List;

/**
 * Makes {@link Fused} nodes. What a class of theirs executes is, for nodes a, b and c:
 *
 * <pre>{@code
 * try {
 *     do {
 *         at = 0;
 *         if ((next = A.execute(cpu)) != B) continue;   // if a may leave the run, else without question
 *         at = 1;
 *         B.execute(cpu);
 *         at = 2;
 *         next = C.execute(cpu);
 *     } while (next == this);
 *     return next;
 * } catch (CpuFault fault) {
 *     failed = at;
 *     throw fault;
 * }
 * }</pre>
 */
final class NodeFuser {
    /**
     * The most nodes of a class: HotSpot's compiler stops inlining in methods that grow too large.
     */
    private static final int MOST = 32;

    /** The most nodes that are fused at a time, in one or more classes. */
    private static final int MOST_IN_ALL = 256;

    private static final ClassDesc NODE = desc(Node.class);
    private static final ClassDesc FUSED = desc(Fused.class);
    private static final ClassDesc HANDLES = desc(MethodHandles.class);
    private static final ClassDesc SELF =
            ClassDesc.of(NodeFuser.class.getPackageName(), "FusedNodes");
    private static final MethodTypeDesc EXECUTE = MethodTypeDesc.of(NODE, desc(Cpu.class));
    private static final MethodTypeDesc NEW = MethodTypeDesc.of(CD_void, CD_List);
    private static final MethodTypeDesc CLASS_DATA =
            MethodTypeDesc.of(CD_Object, CD_MethodHandles_Lookup, CD_String, desc(Class.class));

    // Local variables of execute.
    private static final int THIS = 0;
    private static final int THE_CPU = 1;
    private static final int AT = 2;
    private static final int NEXT = 3;

    /**
     * What is fused, and behind it, if the run goes on, the node with which it does and the one
     * that stands for all that is left of it.
     */
    private final List<Node> constants;

    private final List<Node> nodes;

    private NodeFuser(List<Node> nodes, List<Node> constants) {
        this.nodes = nodes;
        this.constants = constants;
    }

    private static ClassDesc desc(Class<?> of) {
        return of.describeConstable().orElseThrow();
    }

    /**
     * A node that does what {@code first} and what follows it do; {@code first} itself if nothing
     * does.
     */
    static Node fuse(Node first) {
        List<Node> run = run(first);
        Node made = first;
        for (int to = run.size(), from; to > 1; to = from) {
            from = (to - 1) / MOST * MOST;
            List<Node> nodes = List.copyOf(run.subList(from, to));
            List<Node> constants = new ArrayList<>(nodes);
            if (to < run.size()) {
                constants.add(run.get(to));
                constants.add(made);
            }
            made = new NodeFuser(nodes, constants).make();
        }
        return made;
    }

    /**
     * The nodes that follow each other from {@code first} on where no conditional jump is taken.
     */
    private static List<Node> run(Node first) {
        List<Node> run = new ArrayList<>();
        Node node = first;
        while (run.size() < MOST_IN_ALL) {
            run.add(node);
            Node following = following(node);
            if (following == null || run.contains(following)) {
                break;
            }
            node = following;
        }
        return run;
    }

    /** What {@code node} leads to where no conditional jump is taken; null if that is not known. */
    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    private static @Nullable Node following(Node node) {
        ConditionalJump jump = node.jump();
        if (jump != null) {
            return jump.next;
        }
        if (node instanceof Jump j && !(j instanceof ConditionalJump)) {
            Node near = j.near();
            return near instanceof Fused fused ? fused.nodes.getFirst() : near;
        }
        return node.next == node ? null : node.next;
    }

    private Node make() {
        byte[] bytes = ClassFile.of().build(SELF, this::writeClass);
        try {
            MethodHandles.Lookup made =
                    MethodHandles.lookup().defineHiddenClassWithClassData(bytes, constants, true);
            return (Node)
                    made.findConstructor(
                                    made.lookupClass(),
                                    MethodType.methodType(void.class, List.class))
                            .invoke(nodes);
        } catch (Throwable e) {
            throw new AssertionError("a class that was just written", e);
        }
    }

    private void writeClass(ClassBuilder c) {
        c.withFlags(ClassFile.ACC_FINAL | ClassFile.ACC_SUPER).withSuperclass(FUSED);
        for (int i = 0; i < constants.size(); i++) {
            c.withField(name(i), NODE, ClassFile.ACC_STATIC | ClassFile.ACC_FINAL);
        }
        c.withMethodBody(
                CLASS_INIT_NAME,
                MethodTypeDesc.of(CD_void),
                ClassFile.ACC_STATIC,
                this::writeConstants);
        c.withMethodBody(
                INIT_NAME,
                NEW,
                0,
                b -> b.aload(0).aload(1).invokespecial(FUSED, INIT_NAME, NEW).return_());
        c.withMethodBody("execute", EXECUTE, ClassFile.ACC_PUBLIC, this::writeExecute);
    }

    private static String name(int constant) {
        return "n" + constant;
    }

    private void writeConstants(CodeBuilder b) {
        b.invokestatic(HANDLES, "lookup", MethodTypeDesc.of(CD_MethodHandles_Lookup))
                .ldc(DEFAULT_NAME)
                .ldc(CD_List)
                .invokestatic(HANDLES, "classData", CLASS_DATA)
                .checkcast(CD_List)
                .astore(0);
        for (int i = 0; i < constants.size(); i++) {
            b.aload(0)
                    .loadConstant(i)
                    .invokeinterface(CD_List, "get", MethodTypeDesc.of(CD_Object, CD_int))
                    .checkcast(NODE)
                    .putstatic(SELF, name(i), NODE);
        }
        b.return_();
    }

    private void writeExecute(CodeBuilder b) {
        b.loadConstant(0).istore(AT);
        Label begin = b.newBoundLabel();
        Label leave = b.newLabel();
        for (int i = 0; i < nodes.size(); i++) {
            Node node = nodes.get(i);
            b.loadConstant(i).istore(AT);
            b.getstatic(SELF, name(i), NODE).aload(THE_CPU).invokevirtual(NODE, "execute", EXECUTE);
            boolean more = i + 1 < constants.size();
            if (!more) {
                b.astore(NEXT);
            } else if (node instanceof ConditionalJump || node.jump() != null) {
                b.dup().astore(NEXT).getstatic(SELF, name(i + 1), NODE).if_acmpne(leave);
            } else if (node instanceof Jump) {
                // It goes to its target, or leaves the block for an event.
                b.dup().astore(NEXT).ifnull(leave);
            } else {
                b.pop();
            }
        }
        if (nodes.size() < constants.size()) {
            b.getstatic(SELF, name(nodes.size() + 1), NODE).areturn();
        }
        b.labelBinding(leave);
        b.aload(NEXT).aload(THIS).if_acmpeq(begin);
        b.aload(NEXT).areturn();
        Label end = b.newBoundLabel();
        Label caught = b.newBoundLabel();
        b.exceptionCatch(begin, end, caught, desc(CpuFault.class));
        b.aload(THIS).iload(AT).putfield(FUSED, "failed", CD_int).athrow();
    }
}
