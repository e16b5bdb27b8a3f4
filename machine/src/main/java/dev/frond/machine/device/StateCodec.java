// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.device;

import org.jspecify.annotations.Nullable;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.lang.reflect.WildcardType;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * State records to bytes and back. Components may be primitives, enums, {@link String}, {@link
 * Bytes}, {@link Longs}, lists of these (boxed), records, and sealed interfaces of records.
 *
 * <p>The stream describes itself: each value starts with a tag, each component travels with its
 * name, so that a release can read what an older one wrote. All numbers are big-endian.
 *
 * <pre>
 * value     := 'Z' u8 | 'B' i8 | 'S' i16 | 'C' u16 | 'I' i32 | 'J' i64 | 'F' f32 | 'D' f64
 *            | 'T' text | 'E' text | 'Y' u32 bytes | 'L' u32 i64* | '[' u32 value*
 *            | '{' text(type) u16 (text(component) value)*
 * text      := u32 UTF-8 bytes
 * </pre>
 *
 * <p>A stream is hostile: whatever it holds, decoding ends in a valid state or in a {@link
 * StateException}, and takes no more memory than a small multiple of the stream.
 */
public final class StateCodec {
    /** Deeper nesting than any state has; keeps a hostile stream from exhausting the stack. */
    private static final int MAX_DEPTH = 32;

    /** How a kind of value is tagged in the stream, and called in an error text. */
    private enum Tag {
        BOOLEAN('Z', "boolean"),
        BYTE('B', "byte"),
        SHORT('S', "short"),
        CHAR('C', "char"),
        INT('I', "int"),
        LONG('J', "long"),
        FLOAT('F', "float"),
        DOUBLE('D', "double"),
        TEXT('T', "string"),
        ENUM('E', "enum"),
        BYTES('Y', "run of bytes"),
        LONGS('L', "run of longs"),
        LIST('[', "list"),
        RECORD('{', "record");

        final char code;
        final String words;

        Tag(char code, String words) {
            this.code = code;
            this.words = words;
        }
    }

    private StateCodec() {}

    /**
     * The stream of {@code state}. Throws {@link IllegalArgumentException} for a record that cannot
     * be a state: a null, or a component of some other type.
     */
    public static byte[] encode(Record state) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            write(out, name(state.getClass()), state);
        } catch (IOException e) {
            throw new UncheckedIOException("an array takes all bytes", e);
        }
        return bytes.toByteArray();
    }

    /**
     * The state in {@code stream}, of the type of {@code reset}. A component that the stream lacks
     * takes its value from {@code reset}, or, in a nested record that {@code reset} has no
     * counterpart of, from that record's constant {@code RESET}; a component that the record lacks
     * is refused.
     */
    public static <S extends Record> S decode(byte[] stream, S reset) throws StateException {
        @SuppressWarnings("unchecked")
        Class<S> type = (Class<S>) reset.getClass();
        Reader reader = new Reader(ByteBuffer.wrap(stream), name(type));
        S state = type.cast(reader.value(type, reset));
        reader.end();
        return state;
    }

    /** A type's name as people know it: nesting, no package. */
    private static String name(Class<?> type) {
        Class<?> outer = type.getEnclosingClass();
        return outer == null ? type.getSimpleName() : name(outer) + "." + type.getSimpleName();
    }

    /** What reflection tells of a record type; costly to ask for, so kept for each. */
    private static final class Shape {
        private static final ClassValue<Shape> OF =
                new ClassValue<>() {
                    @Override
                    protected Shape computeValue(Class<?> type) {
                        return new Shape(type);
                    }
                };

        final String name;
        final Map<String, Integer> index = new HashMap<>();
        final List<String> names = new ArrayList<>();
        final List<Type> types = new ArrayList<>();
        private final List<Method> accessors = new ArrayList<>();
        private final Constructor<?> constructor;
        private final Optional<Field> reset;

        private Shape(Class<?> type) {
            name = name(type);
            List<Class<?>> rawTypes = new ArrayList<>();
            for (RecordComponent component : type.getRecordComponents()) {
                index.put(component.getName(), names.size());
                names.add(component.getName());
                types.add(component.getGenericType());
                rawTypes.add(component.getType());
                accessors.add(accessible(component.getAccessor()));
            }
            try {
                constructor =
                        accessible(type.getDeclaredConstructor(rawTypes.toArray(Class<?>[]::new)));
            } catch (NoSuchMethodException e) {
                throw new IllegalStateException(
                        name + ": every record has a canonical constructor", e);
            }
            reset =
                    Stream.of(type.getDeclaredFields())
                            .filter(f -> f.getName().equals("RESET") && f.getType() == type)
                            .map(this::accessible)
                            .findFirst();
        }

        static Shape of(Class<?> type) {
            return OF.get(type);
        }

        private <T extends AccessibleObject> T accessible(T member) {
            if (!member.trySetAccessible()) {
                throw new IllegalArgumentException(
                        name + ": a state must be public in an exported package");
            }
            return member;
        }

        /** What component number {@code i} of {@code state} holds. */
        @Nullable Object component(Record state, int i) {
            try {
                return accessors.get(i).invoke(state);
            } catch (ReflectiveOperationException e) {
                throw new IllegalArgumentException(
                        name + "." + names.get(i) + ": cannot be read", e);
            }
        }

        /** The record's constant {@code RESET}. */
        Optional<Record> reset() {
            return reset.map(field -> {
                try {
                    return (Record) field.get(null);
                } catch (IllegalAccessException e) {
                    throw new IllegalStateException("made accessible before", e);
                }
            });
        }

        Record construct(@Nullable Object[] values) throws InvocationTargetException {
            try {
                return (Record) constructor.newInstance(values);
            } catch (InstantiationException | IllegalAccessException e) {
                throw new IllegalStateException(name + ": cannot be constructed", e);
            }
        }
    }

    // Writing

    private static void write(DataOutputStream out, String place, @Nullable Object value)
            throws IOException {
        switch (value) {
            case Boolean b -> tag(out, Tag.BOOLEAN).writeBoolean(b);
            case Byte b -> tag(out, Tag.BYTE).writeByte(b);
            case Short s -> tag(out, Tag.SHORT).writeShort(s);
            case Character c -> tag(out, Tag.CHAR).writeChar(c);
            case Integer i -> tag(out, Tag.INT).writeInt(i);
            case Long l -> tag(out, Tag.LONG).writeLong(l);
            case Float f -> tag(out, Tag.FLOAT).writeInt(Float.floatToRawIntBits(f));
            case Double d -> tag(out, Tag.DOUBLE).writeLong(Double.doubleToRawLongBits(d));
            case String s -> text(tag(out, Tag.TEXT), place, s);
            case Enum<?> e -> text(tag(out, Tag.ENUM), place, e.name());
            case Bytes b -> {
                tag(out, Tag.BYTES).writeInt(b.length());
                out.write(b.toArray());
            }
            case Longs l -> {
                tag(out, Tag.LONGS).writeInt(l.length());
                for (int i = 0; i < l.length(); i++) {
                    out.writeLong(l.at(i));
                }
            }
            case List<?> list -> {
                tag(out, Tag.LIST).writeInt(list.size());
                for (int i = 0; i < list.size(); i++) {
                    write(out, place + "[" + i + "]", list.get(i));
                }
            }
            case Record r -> writeRecord(tag(out, Tag.RECORD), place, r);
            case null ->
                    throw new IllegalArgumentException(place + ": is null, which no state may be");
            default ->
                    throw new IllegalArgumentException(
                            place
                                    + ": a "
                                    + value.getClass().getName()
                                    + " cannot be part of a state");
        }
    }

    private static void writeRecord(DataOutputStream out, String place, Record state)
            throws IOException {
        Shape shape = Shape.of(state.getClass());
        text(out, place, shape.name);
        out.writeShort(shape.names.size());
        for (int i = 0; i < shape.names.size(); i++) {
            String component = shape.names.get(i);
            text(out, place, component);
            write(out, place + "." + component, shape.component(state, i));
        }
    }

    private static DataOutputStream tag(DataOutputStream out, Tag tag) throws IOException {
        out.writeByte(tag.code);
        return out;
    }

    private static void text(DataOutputStream out, String place, String text) throws IOException {
        CharsetEncoder encoder = StandardCharsets.UTF_8.newEncoder();
        try {
            ByteBuffer bytes = encoder.encode(CharBuffer.wrap(text));
            byte[] encoded = new byte[bytes.remaining()];
            bytes.get(encoded);
            out.writeInt(encoded.length);
            out.write(encoded);
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(place + ": holds half a surrogate pair", e);
        }
    }

    // Reading

    private static final class Reader {
        private final ByteBuffer in;
        private final Deque<String> place = new ArrayDeque<>();

        Reader(ByteBuffer in, String root) {
            this.in = in;
            place.add(root);
        }

        void end() throws StateException {
            if (in.hasRemaining()) {
                throw bad(in.remaining() + " more bytes follow the state");
            }
        }

        Object value(Type declared, @Nullable Object reset) throws StateException {
            Class<?> type = raw(declared);
            if (type == boolean.class || type == Boolean.class) {
                return bool();
            } else if (type == byte.class || type == Byte.class) {
                return fixed(Tag.BYTE, 1).get();
            } else if (type == short.class || type == Short.class) {
                return fixed(Tag.SHORT, 2).getShort();
            } else if (type == char.class || type == Character.class) {
                return fixed(Tag.CHAR, 2).getChar();
            } else if (type == int.class || type == Integer.class) {
                return fixed(Tag.INT, 4).getInt();
            } else if (type == long.class || type == Long.class) {
                return fixed(Tag.LONG, 8).getLong();
            } else if (type == float.class || type == Float.class) {
                return Float.intBitsToFloat(fixed(Tag.FLOAT, 4).getInt());
            } else if (type == double.class || type == Double.class) {
                return Double.longBitsToDouble(fixed(Tag.DOUBLE, 8).getLong());
            } else if (type == String.class) {
                tag(Tag.TEXT);
                return text();
            } else if (type.isEnum()) {
                return constant(type);
            } else if (type == Bytes.class) {
                tag(Tag.BYTES);
                return Bytes.of(bytes(length(1)));
            } else if (type == Longs.class) {
                return longs();
            } else if (type == List.class) {
                return list(element(declared));
            } else if (type.isRecord() || type.isSealed()) {
                return record(type, reset);
            }
            throw new IllegalArgumentException(
                    path() + ": a " + declared.getTypeName() + " cannot be part of a state");
        }

        private boolean bool() throws StateException {
            byte value = fixed(Tag.BOOLEAN, 1).get();
            if (value != 0 && value != 1) {
                throw bad("a boolean of " + value + ", accepted are 0 and 1");
            }
            return value == 1;
        }

        private Object constant(Class<?> type) throws StateException {
            tag(Tag.ENUM);
            String constant = text();
            for (Object candidate : type.getEnumConstants()) {
                if (((Enum<?>) candidate).name().equals(constant)) {
                    return candidate;
                }
            }
            throw bad("no " + name(type) + " is called " + quoted(constant));
        }

        private Longs longs() throws StateException {
            tag(Tag.LONGS);
            long[] values = new long[length(8)];
            in.asLongBuffer().get(values);
            in.position(in.position() + 8 * values.length);
            return Longs.of(values);
        }

        private List<Object> list(Type element) throws StateException {
            tag(Tag.LIST);
            // A value takes two bytes at least; the capacity is left to grow with what really
            // comes.
            int length = length(2);
            List<Object> values = new ArrayList<>();
            for (int i = 0; i < length; i++) {
                place.addLast("[" + i + "]");
                values.add(value(element, null));
                place.removeLast();
            }
            return List.copyOf(values);
        }

        private Record record(Class<?> declared, @Nullable Object reset) throws StateException {
            tag(Tag.RECORD);
            if (place.size() > 2 * MAX_DEPTH) {
                throw bad("nested deeper than " + MAX_DEPTH + " records");
            }
            String called = text();
            Class<?> type =
                    candidates(declared)
                            .filter(c -> name(c).equals(called))
                            .findFirst()
                            .orElseThrow(() ->
                                    bad(
                                            "a "
                                                    + quoted(called)
                                                    + " stands where a "
                                                    + name(declared)
                                                    + " is expected"));
            Shape shape = Shape.of(type);
            @Nullable Object[] values = new @Nullable Object[shape.names.size()];
            Optional<Record> defaults =
                    type.isInstance(reset) ? Optional.of((Record) reset) : shape.reset();
            need(2);
            int count = in.getShort() & 0xFFFF;
            for (int i = 0; i < count; i++) {
                String name = text();
                Integer index = shape.index.get(name);
                if (index == null) {
                    throw bad("has no component " + quoted(name));
                }
                place.addLast("." + name);
                if (values[index] != null) {
                    throw bad("appears twice");
                }
                Object fallback =
                        defaults.isPresent() ? shape.component(defaults.get(), index) : null;
                values[index] = value(shape.types.get(index), fallback);
                place.removeLast();
            }
            for (int i = 0; i < values.length; i++) {
                if (values[i] == null) {
                    String missing = shape.names.get(i);
                    Record source =
                            defaults.orElseThrow(() ->
                                    bad("component " + missing + " is missing and has no default"));
                    values[i] = shape.component(source, i);
                }
            }
            return construct(shape, values);
        }

        private Record construct(Shape shape, @Nullable Object[] values) throws StateException {
            try {
                return shape.construct(values);
            } catch (InvocationTargetException e) {
                // A compact constructor validates; whatever it throws, the stream's values were at
                // fault.
                if (e.getCause() instanceof RuntimeException refused) {
                    throw bad(String.valueOf(refused.getMessage()));
                }
                throw new IllegalStateException(path() + ": its constructor failed", e);
            }
        }

        private static Stream<Class<?>> candidates(Class<?> declared) {
            return declared.isRecord()
                    ? Stream.of(declared)
                    : declared.isSealed()
                            ? Stream.of(declared.getPermittedSubclasses())
                                    .flatMap(Reader::candidates)
                            : Stream.of();
        }

        private static Class<?> raw(Type type) {
            return switch (type) {
                case Class<?> c -> c;
                case ParameterizedType p -> raw(p.getRawType());
                case WildcardType w -> raw(w.getUpperBounds()[0]);
                default ->
                        throw new IllegalArgumentException(
                                "a " + type.getTypeName() + " cannot be part of a state");
            };
        }

        private static Type element(Type list) {
            if (list instanceof ParameterizedType p) {
                return p.getActualTypeArguments()[0];
            }
            throw new IllegalArgumentException("a raw List cannot be part of a state");
        }

        private void tag(Tag expected) throws StateException {
            need(1);
            char code = (char) (in.get() & 0xFF);
            if (code != expected.code) {
                String found =
                        Stream.of(Tag.values())
                                .filter(t -> t.code == code)
                                .map(t -> "a " + t.words)
                                .findFirst()
                                .orElse("the unknown tag 0x" + Integer.toHexString(code));
                throw bad(found + " stands where a " + expected.words + " is expected");
            }
        }

        private ByteBuffer fixed(Tag tag, int size) throws StateException {
            tag(tag);
            need(size);
            return in;
        }

        /** A length of elements that take {@code size} bytes or more each. */
        private int length(int size) throws StateException {
            need(4);
            long length = in.getInt() & 0xFFFF_FFFFL;
            if (length * size > in.remaining()) {
                throw bad(
                        "a length of "
                                + length
                                + " with "
                                + in.remaining()
                                + " bytes left in the stream");
            }
            return (int) length;
        }

        private String text() throws StateException {
            ByteBuffer encoded = ByteBuffer.wrap(bytes(length(1)));
            try {
                return StandardCharsets.UTF_8.newDecoder().decode(encoded).toString();
            } catch (CharacterCodingException e) {
                throw bad("a string that is not UTF-8");
            }
        }

        private byte[] bytes(int length) {
            byte[] bytes = new byte[length];
            in.get(bytes);
            return bytes;
        }

        private void need(int size) throws StateException {
            if (in.remaining() < size) {
                throw bad("the stream ends too early");
            }
        }

        private static String quoted(String hostile) {
            String shown = hostile.length() > 64 ? hostile.substring(0, 64) + "…" : hostile;
            return "'" + shown.replaceAll("[\\p{Cntrl}\\p{Cs}]", "?") + "'";
        }

        private StateException bad(String problem) {
            return new StateException(path(), problem);
        }

        private String path() {
            return String.join("", place);
        }
    }
}
