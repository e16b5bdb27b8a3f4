// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;

import static java.nio.charset.StandardCharsets.UTF_8;

import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

final class SignalsTest {
    @Test
    void eachArrivalRunsTheAction() throws Exception {
        Semaphore arrivals = new Semaphore(0);
        try (Signals.Registration _ =
                Signals.handle(Signals.Name.WINCH, () -> arrivals.release())) {
            for (int i = 0; i < 3; i++) {
                raise(Signals.Name.WINCH);
                assertThat(arrivals.tryAcquire(60, TimeUnit.SECONDS)).isTrue();
            }
        }
    }

    @Test
    void aClosedRegistrationBringsThePreviousActionBack() throws Exception {
        Semaphore outer = new Semaphore(0);
        Semaphore inner = new Semaphore(0);
        try (Signals.Registration _ = Signals.handle(Signals.Name.WINCH, () -> outer.release())) {
            Signals.handle(Signals.Name.WINCH, () -> inner.release()).close();
            raise(Signals.Name.WINCH);
            assertThat(outer.tryAcquire(60, TimeUnit.SECONDS)).isTrue();
            assertThat(inner.availablePermits()).isZero();
        }
    }

    @Test
    void anActionThatThrowsDoesNotEndTheHandling() throws Exception {
        Semaphore arrivals = new Semaphore(0);
        try (Signals.Registration _ =
                Signals.handle(
                        Signals.Name.WINCH,
                        () -> {
                            arrivals.release();
                            Thread.currentThread().setUncaughtExceptionHandler((_, _) -> {});
                            throw new IllegalStateException("an error of the action");
                        })) {
            raise(Signals.Name.WINCH);
            assertThat(arrivals.tryAcquire(60, TimeUnit.SECONDS)).isTrue();
            raise(Signals.Name.WINCH);
            assertThat(arrivals.tryAcquire(60, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void aSignalThatTheProcessWasStartedToIgnoreStaysIgnored() throws Exception {
        assertThat(run(List.of("sh", "-c", "trap '' HUP; exec \"$@\"", "-"), "HUP"))
                .isEqualTo("registered, after two seconds: false");
        // The tests may themselves run under nohup.
        assertThat(run(List.of("env", "--default-signal=HUP"), "HUP"))
                .isEqualTo("registered, after two seconds: true");
    }

    @Test
    void aSignalThatTheVirtualMachineKeepsIsNamed() throws Exception {
        assertThat(run(List.of(), "-Xrs", "HUP"))
                .startsWith("signal handler of SIGHUP: ")
                .contains("HUP");
    }

    /** Registers the signal, sends it to itself and prints whether it came. */
    static final class SelfSignallingProgram {
        private SelfSignallingProgram() {}

        public static void main(String[] args) throws InterruptedException {
            Semaphore arrivals = new Semaphore(0);
            Signals.Name name = Signals.Name.valueOf(args[0]);
            try (Signals.Registration _ = Signals.handle(name, () -> arrivals.release())) {
                raise(name);
                System.out.print(
                        "registered, after two seconds: "
                                + arrivals.tryAcquire(2, TimeUnit.SECONDS));
            } catch (HostException e) {
                System.out.print(e.getMessage());
            }
        }
    }

    private static void raise(Signals.Name name) {
        int self = Libc.GETPID.callInt(0, 0, 0);
        Libc.KILL.check(Libc.KILL.callInt(self, name.number(), 0), "process " + self);
    }

    private static String run(List<String> prefix, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(prefix);
        Collections.addAll(
                command,
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"));
        for (String argument : arguments) {
            if (argument.startsWith("-")) {
                command.add(argument);
            }
        }
        command.add(SelfSignallingProgram.class.getName());
        command.add(arguments[arguments.length - 1]);
        Process program =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String output = new String(program.getInputStream().readAllBytes(), UTF_8);
        assertThat(program.waitFor()).isZero();
        return output;
    }
}
