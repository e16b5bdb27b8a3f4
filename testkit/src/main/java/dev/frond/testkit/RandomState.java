// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Longs;

import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
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
    private static final int TRIES = 24;

    private final Random random;

    private RandomState(Random random) {
        this.random = random;
    }

    /** A valid state of the type of {@code valid}, equal for equal states of {@code random}. */
    public static <S extends Record> S from(S valid, Random random) {
        @SuppressWarnings("unchecked")
        Class<S> type = (Class<S>) valid.getClass();
        return type.cast(new RandomState(random).walk(valid));
    }

    private Record walk(Record valid) {
        RecordComponent[] components = valid.getClass().getRecordComponents();
        Object[] values = new Object[components.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = component(valid, components[i]);
        }
        Record state = valid;
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            order.add(i);
        }
        for (int round = 0; round < ROUNDS; round++) {
            Collections.shuffle(order, random);
            for (int i : order) {
                Object before = values[i];
                Optional<Record> accepted = Optional.empty();
                for (int attempt = 0; attempt < TRIES && accepted.isEmpty(); attempt++) {
                    values[i] = value(components[i].getGenericType(), before);
                    accepted = construct(valid.getClass(), values);
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
            case 2 -> random.nextInt(256);
            case 3 -> random.nextInt(65536);
            case 4 -> random.nextInt();
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
            return walk((Record) zero(declared));
        }
        return walk(near);
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
        return reset(type)
                .or(() ->
                        construct(
                                type,
                                Stream.of(type.getRecordComponents())
                                        .map(c -> zero(c.getGenericType()))
                                        .toArray()))
                .orElseThrow(() ->
                        new AssertionError(
                                type + " needs a constant RESET: it does not take all zeros"));
    }

    private static Optional<Record> reset(Class<?> type) {
        try {
            Field field = type.getDeclaredField("RESET");
            field.setAccessible(true);
            return Optional.of((Record) field.get(null));
        } catch (NoSuchFieldException e) {
            return Optional.empty();
        } catch (IllegalAccessException e) {
            throw new AssertionError(e);
        }
    }

    private static Object component(Record state, RecordComponent component) {
        try {
            component.getAccessor().setAccessible(true);
            return component.getAccessor().invoke(state);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("cannot read " + component, e);
        }
    }

    private static Optional<Record> construct(Class<?> type, Object[] values) {
        Class<?>[] types =
                Stream.of(type.getRecordComponents())
                        .map(RecordComponent::getType)
                        .toArray(Class<?>[]::new);
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return Optional.of((Record) constructor.newInstance(values));
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof IllegalArgumentException) {
                return Optional.empty();
            }
            throw new AssertionError(
                    type + " refuses a value otherwise than by IllegalArgumentException",
                    e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("cannot construct " + type, e);
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
