// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Answers signals that the user or the system sends to the process, each on a thread of its own, where everything is allowed.
 *
 * <p>It stands on {@code sun.misc.Signal} of the module jdk.unsupported, the one interface to the virtual machine's own signal
 * handling. Shutdown hooks alone would not do: they run all at once after the decision to die, cannot set the exit status, and
 * know nothing of stopping and continuing. A handler of our own could not do anything useful either, because it would interrupt
 * a thread in the middle of whatever it holds. The class is reached by method handles because javac warns of its mere name and
 * lets nobody switch that warning off.
 */
public final class Signals {
    /** The signals that can be answered. */
    public enum Name {
        /** The terminal's interrupt key. */
        INT(2),
        /** A polite request to end. */
        TERM(15),
        /** The terminal is gone. */
        HUP(1),
        /** The terminal's suspend key. */
        TSTP(20),
        /** The process runs again after a stop. */
        CONT(18),
        /** The terminal has another size. */
        WINCH(28);

        private final int number;

        Name(int number) {
            this.number = number;
        }

        /** The number that shells add to 128 for the status of a process that it ended: Linux's signal(7), x86-64 and AArch64. */
        public int number() {
            return number;
        }
    }

    /** A handler in place; closing it brings the previous one back. */
    @FunctionalInterface
    public interface Registration extends AutoCloseable {
        @Override
        void close();
    }

    private Signals() {}

    /**
     * Runs {@code action} at each arrival of the signal, until the registration is closed. A signal that the process was started
     * to ignore, as nohup does with HUP, stays ignored.
     *
     * @throws HostException if the virtual machine keeps the signal for itself, as with -Xrs
     */
    public static Registration handle(Name name, Runnable action) {
        try {
            Object signal = Bridge.SIGNAL.invoke(name.name());
            Object handler = Bridge.handler(_ -> action.run());
            Object previous = Bridge.HANDLE.invoke(signal, handler);
            if (previous.equals(Bridge.IGNORE) && !IGNORABLE.contains(name)) {
                Bridge.HANDLE.invoke(signal, previous);
                return () -> {};
            }
            return () -> restore(signal, previous);
        } catch (IllegalArgumentException e) {
            throw new HostException("signal handler", "SIG" + name, String.valueOf(e.getMessage()));
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable impossible) {
            throw new AssertionError(impossible);
        }
    }

    /** Signals whose "ignored" means no more than "the default is to do nothing". */
    private static final Set<Name> IGNORABLE = Set.of(Name.CONT, Name.WINCH);

    private static void restore(Object signal, Object previous) {
        try {
            Bridge.HANDLE.invoke(signal, previous);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable impossible) {
            throw new AssertionError(impossible);
        }
    }

    /** sun.misc.Signal and sun.misc.SignalHandler. */
    private static final class Bridge {
        private static final MethodHandle SIGNAL;
        private static final MethodHandle HANDLE;
        private static final Object IGNORE;
        private static final Class<?> HANDLER;

        static {
            try {
                MethodHandles.Lookup lookup = MethodHandles.lookup();
                Class<?> signal = Class.forName("sun.misc.Signal");
                HANDLER = Class.forName("sun.misc.SignalHandler");
                SIGNAL =
                        lookup.findConstructor(
                                        signal, MethodType.methodType(void.class, String.class))
                                .asType(MethodType.methodType(Object.class, String.class));
                HANDLE =
                        lookup.findStatic(
                                        signal,
                                        "handle",
                                        MethodType.methodType(HANDLER, signal, HANDLER))
                                .asType(
                                        MethodType.methodType(
                                                Object.class, Object.class, Object.class));
                IGNORE = lookup.findStaticGetter(HANDLER, "SIG_IGN", HANDLER).invoke();
            } catch (Throwable e) {
                throw new AssertionError("sun.misc.Signal is not as it was", e);
            }
        }

        private static Object handler(Consumer<Object> action) throws ReflectiveOperationException {
            MethodHandle accept =
                    MethodHandles.lookup()
                            .findVirtual(
                                    Consumer.class,
                                    "accept",
                                    MethodType.methodType(void.class, Object.class))
                            .bindTo(action);
            return MethodHandleProxies.asInterfaceInstance(HANDLER, accept);
        }
    }
}
