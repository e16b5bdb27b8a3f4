// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.nodegen;

import static java.util.Objects.requireNonNull;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

import javax.annotation.processing.AbstractProcessor;
import javax.annotation.processing.RoundEnvironment;
import javax.lang.model.SourceVersion;
import javax.lang.model.element.AnnotationMirror;
import javax.lang.model.element.AnnotationValue;
import javax.lang.model.element.Element;
import javax.lang.model.element.ExecutableElement;
import javax.lang.model.element.TypeElement;
import javax.lang.model.element.VariableElement;
import javax.lang.model.type.TypeKind;
import javax.tools.Diagnostic;

/**
 * Makes, while room {@code cpu} is compiled, from each entry of the instruction table (an Encoding
 * annotation) the decoder's forms and the interpreter's nodes: one source file for each class that
 * holds entries, and one that lists them all.
 */
public final class NodeProcessor extends AbstractProcessor {
    private static final String ENCODING = "dev.frond.cpu.decode.Encoding";

    @Override
    public Set<String> getSupportedAnnotationTypes() {
        return Set.of(ENCODING);
    }

    @Override
    public SourceVersion getSupportedSourceVersion() {
        return SourceVersion.latestSupported();
    }

    @Override
    public boolean process(Set<? extends TypeElement> annotations, RoundEnvironment round) {
        TypeElement encoding = processingEnv.getElementUtils().getTypeElement(ENCODING);
        if (encoding == null || annotations.isEmpty()) {
            return false;
        }
        Map<String, List<Entry>> byClass = new TreeMap<>();
        for (Element element : round.getElementsAnnotatedWith(encoding)) {
            try {
                Entry entry = entry(element);
                byClass.computeIfAbsent(entry.owner(), _ -> new ArrayList<>()).add(entry);
            } catch (IllegalArgumentException e) {
                processingEnv
                        .getMessager()
                        .printMessage(
                                Diagnostic.Kind.ERROR, String.valueOf(e.getMessage()), element);
            }
        }
        NodeWriter writer = new NodeWriter();
        byClass.forEach((owner, entries) -> {
            String name = owner.substring(owner.lastIndexOf('.') + 1) + "Nodes";
            try {
                write(name, writer.file(name, owner, entries));
            } catch (IllegalArgumentException e) {
                processingEnv
                        .getMessager()
                        .printMessage(Diagnostic.Kind.ERROR, owner + ": " + e.getMessage());
            }
        });
        try {
            write("Table", writer.table());
        } catch (IllegalArgumentException e) {
            processingEnv
                    .getMessager()
                    .printMessage(Diagnostic.Kind.ERROR, String.valueOf(e.getMessage()));
        }
        return false;
    }

    private void write(String name, String source) {
        try (Writer out =
                processingEnv
                        .getFiler()
                        .createSourceFile("dev.frond.cpu.insn." + name)
                        .openWriter()) {
            out.write(source);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Entry entry(Element element) {
        List<EncodingLine> lines = new ArrayList<>();
        String undefined = "";
        for (AnnotationMirror mirror : element.getAnnotationMirrors()) {
            if (!mirror.getAnnotationType().toString().equals(ENCODING)) {
                continue;
            }
            for (var value : mirror.getElementValues().entrySet()) {
                if (value.getKey().getSimpleName().contentEquals("undefined")) {
                    undefined = (String) value.getValue().getValue();
                } else {
                    for (Object line : (List<?>) value.getValue().getValue()) {
                        lines.addAll(EncodingLine.of((String) ((AnnotationValue) line).getValue()));
                    }
                }
            }
        }
        if (element instanceof ExecutableElement method) {
            List<Entry.Parameter> parameters = new ArrayList<>();
            for (VariableElement parameter : method.getParameters()) {
                parameters.add(
                        new Entry.Parameter(
                                parameter.asType().toString(),
                                parameter.getSimpleName().toString()));
            }
            TypeElement enclosing = (TypeElement) requireNonNull(method.getEnclosingElement());
            String owner = enclosing.getQualifiedName().toString();
            String result =
                    method.getReturnType().getKind() == TypeKind.VOID
                            ? "void"
                            : method.getReturnType().toString();
            return new Entry(
                    owner,
                    method.getSimpleName().toString(),
                    result,
                    parameters,
                    lines,
                    undefined,
                    false);
        }
        String owner = ((TypeElement) element).getQualifiedName().toString();
        return new Entry(
                owner, element.getSimpleName().toString(), "", List.of(), lines, undefined, true);
    }
}
