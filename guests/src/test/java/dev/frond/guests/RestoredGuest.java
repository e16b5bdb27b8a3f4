// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import dev.frond.machine.MachineEnd;
import dev.frond.machine.backend.CharBackend;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmSpec;

import org.jspecify.annotations.NullMarked;

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Semaphore;

/**
 * A program that continues debian-tiny from a snapshot, with its serial line on standard input and
 * output, until the guest switches its machine off. {@link GuestProcess} starts it.
 */
@NullMarked
final class RestoredGuest {
    private RestoredGuest() {}

    /** Arguments: the snapshot, the number of CPUs, the bytes of memory, the disk. */
    public static void main(String[] args) throws Exception {
        VmSpec spec =
                TinyGuest.obtain()
                        .spec(
                                Integer.parseInt(args[1]),
                                Long.parseLong(args[2]),
                                List.of(new VmSpec.Disk(Path.of(args[3]), false)));
        MachineEnd end;
        try (Vm vm = Vm.restore(spec, new StandardStreams(), Path.of(args[0]))) {
            end = vm.end().join();
        }
        System.out.println("RestoredGuest: " + end);
        System.exit(end instanceof MachineEnd.PoweredOff ? 0 : 1);
    }

    /** The far end of the serial line. */
    private static final class StandardStreams implements CharBackend {
        private final PrintStream out = System.out;
        private final Semaphore room = new Semaphore(0);

        @Override
        public void send(int value) {
            out.write(value);
            out.flush();
        }

        @Override
        public void connect(Receiver device) {
            Thread.ofPlatform().daemon().name("standard-input").start(() -> feed(device));
        }

        @Override
        public void ready() {
            room.release();
        }

        private void feed(Receiver device) {
            try {
                for (int value = System.in.read(); value >= 0; value = System.in.read()) {
                    while (!device.offer(value)) {
                        room.acquireUninterruptibly();
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
