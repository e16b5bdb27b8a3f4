// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Longs;

import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.lang.reflect.WildcardType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;

/**
 * Arbitrary valid states. Walks away from a valid record one component at a time, and keeps each
 * step that the record's constructor accepts, so that rules between components are kept as well.
 */
public final class RandomState {
    private static final int ROUNDS = 2;
    private static final int TRIES = 16;

    private final Random random;

    private RandomState(Random random) {
        this.random = random;
    }

    /** A valid state of the type of {@code valid}, equal for equal states of {@code random}. */
    public static <S extends Record> S from(S valid, Random random) {
        @SuppressWarnings("unchecked")
        Class<S> type = (Class<S>) valid.getClass();
        return type.cast(new RandomState(random).walk(valid, ROUNDS));
    }

    private Record walk(Record valid, int rounds) {
        Shape shape = Shape.of(valid.getClass());
        Object[] values = shape.values(valid);
        Record state = valid;
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            order.add(i);
        }
        for (int round = 0; round < rounds; round++) {
            Collections.shuffle(order, random);
            for (int i : order) {
                Object before = values[i];
                Optional<Record> accepted = Optional.empty();
                for (int attempt = 0; attempt < TRIES && accepted.isEmpty(); attempt++) {
                    values[i] = value(shape.types[i], before);
                    accepted = shape.construct(values);
                }
                if (accepted.isEmpty()) {
                    values[i] = before;
                }
                state = accepted.orElse(state);
            }
        }
        return state;
    }

    private Object value(Type declared, Object near) {
        return switch (near) {
            case Boolean _ -> random.nextBoolean();
            case Byte _ -> (byte) integer();
            case Short _ -> (short) integer();
            case Character _ -> (char) integer();
            case Integer _ -> (int) integer();
            case Long _ -> integer();
            case Float _ -> Float.intBitsToFloat(random.nextInt());
            case Double _ -> Double.longBitsToDouble(random.nextLong());
            case String _ -> "s" + random.nextInt(1000);
            case Enum<?> e ->
                    e.getDeclaringClass()
                            .getEnumConstants()[
                            random.nextInt(e.getDeclaringClass().getEnumConstants().length)];
            case Bytes b -> bytes(random.nextInt(4) == 0 ? random.nextInt(20) : b.length());
            case Longs l ->
                    Longs.of(
                            random.longs(random.nextInt(4) == 0 ? random.nextInt(20) : l.length())
                                    .toArray());
            case List<?> list -> list(element(declared), list);
            case Record r -> record(raw(declared), r);
            default -> throw new AssertionError("a state cannot hold a " + near.getClass());
        };
    }

    /** Small numbers and full ones alike: registers are narrow, times are wide. */
    private long integer() {
        return switch (random.nextInt(7)) {
            case 0 -> random.nextInt(2);
            case 1 -> random.nextInt(16);
            case 2, 3 -> random.nextInt(256);
            case 4 -> random.nextInt(65536);
            case 5 -> random.nextLong(1L << 40);
            default -> random.nextLong();
        };
    }

    private Bytes bytes(int length) {
        byte[] bytes = new byte[length];
        if (random.nextInt(3) != 0) {
            random.nextBytes(bytes);
        }
        return Bytes.of(bytes);
    }

    private List<Object> list(Type element, List<?> near) {
        int size = random.nextInt(3) == 0 ? random.nextInt(20) : near.size();
        List<Object> values = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            Object base = i < near.size() ? near.get(i) : zero(element);
            values.add(value(element, base));
        }
        return values;
    }

    private Record record(Class<?> declared, Record near) {
        if (declared.isSealed() && random.nextBoolean()) {
            return walk((Record) zero(declared), 1);
        }
        return walk(near, 1);
    }

    /** Some valid value of a type: of a record its {@code RESET}, or all components zero. */
    private Object zero(Type declared) {
        Class<?> type = raw(declared);
        if (type == Boolean.class || type == boolean.class) {
            return false;
        } else if (type == Byte.class || type == byte.class) {
            return (byte) 0;
        } else if (type == Short.class || type == short.class) {
            return (short) 0;
        } else if (type == Character.class || type == char.class) {
            return (char) 0;
        } else if (type == Integer.class || type == int.class) {
            return 0;
        } else if (type == Long.class || type == long.class) {
            return 0L;
        } else if (type == Float.class || type == float.class) {
            return 0f;
        } else if (type == Double.class || type == double.class) {
            return 0d;
        } else if (type == String.class) {
            return "";
        } else if (type == Bytes.class) {
            return Bytes.EMPTY;
        } else if (type == Longs.class) {
            return Longs.of();
        } else if (type == List.class) {
            return List.of();
        } else if (type.isEnum()) {
            return type.getEnumConstants()[0];
        } else if (type.isSealed() && !type.isRecord()) {
            Class<?>[] permitted = type.getPermittedSubclasses();
            return zero(permitted[random.nextInt(permitted.length)]);
        }
        Shape shape = Shape.of(type);
        return shape.reset()
                .or(() -> shape.construct(Stream.of(shape.types).map(this::zero).toArray()))
                .orElseThrow(() ->
                        new AssertionError(
                                type + " needs a constant RESET: it does not take all zeros"));
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

        final Type[] types;
        private final Method[] accessors;
        private final Constructor<?> constructor;
        private final Optional<Field> reset;

        private Shape(Class<?> type) {
            RecordComponent[] components = type.getRecordComponents();
            types = Stream.of(components).map(RecordComponent::getGenericType).toArray(Type[]::new);
            accessors =
                    Stream.of(components).map(RecordComponent::getAccessor).toArray(Method[]::new);
            Class<?>[] raw =
                    Stream.of(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
            try {
                constructor = type.getDeclaredConstructor(raw);
            } catch (NoSuchMethodException e) {
                throw new LinkageError("every record has a canonical constructor", e);
            }
            reset =
                    Stream.of(type.getDeclaredFields())
                            .filter(f -> f.getName().equals("RESET"))
                            .findFirst();
            constructor.setAccessible(true);
            Stream.of(accessors).forEach(a -> a.setAccessible(true));
            reset.ifPresent(f -> f.setAccessible(true));
        }

        static Shape of(Class<?> type) {
            return OF.get(type);
        }

        Object[] values(Record state) {
            Object[] values = new Object[accessors.length];
            for (int i = 0; i < values.length; i++) {
                try {
                    values[i] = accessors[i].invoke(state);
                } catch (ReflectiveOperationException e) {
                    throw new LinkageError("cannot read " + accessors[i], e);
                }
            }
            return values;
        }

        Optional<Record> reset() {
            return reset.map(field -> {
                try {
                    return (Record) field.get(null);
                } catch (IllegalAccessException e) {
                    throw new LinkageError("cannot read " + field, e);
                }
            });
        }

        /** The record of {@code values}, or nothing if it refuses them. */
        Optional<Record> construct(Object[] values) {
            try {
                return Optional.of((Record) constructor.newInstance(values));
            } catch (InvocationTargetException e) {
                if (e.getCause() instanceof IllegalArgumentException) {
                    return Optional.empty();
                }
                throw new AssertionError(
                        constructor + " refuses a value otherwise than by IllegalArgumentException",
                        e.getCause());
            } catch (ReflectiveOperationException e) {
                throw new LinkageError("cannot call " + constructor, e);
            }
        }
    }

    private static Class<?> raw(Type type) {
        return switch (type) {
            case Class<?> c -> c;
            case ParameterizedType p -> raw(p.getRawType());
            case WildcardType w -> raw(w.getUpperBounds()[0]);
            default -> throw new AssertionError("a state cannot hold a " + type);
        };
    }

    private static Type element(Type list) {
        return ((ParameterizedType) list).getActualTypeArguments()[0];
    }
}
