// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.frond.host.ControlFile;
import dev.frond.host.Errno;
import dev.frond.host.HostMemory;
import dev.frond.host.Ioctl;
import dev.frond.host.KernelCalls;
import dev.frond.kvm.Kvm.Capability;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A kernel whose KVM has everything and executes nothing: a GET gives what was SET last, KVM_RUN
 * does what the test says, and a command can be made to fail.
 */
final class FakeKvm implements KernelCalls {
    /** What KVM_RUN does: fills in kvm_run, and gives 0 or a negative errno. */
    @FunctionalInterface
    interface Execution {
        int run(MemorySegment run) throws InterruptedException;
    }

    private static final int RUN_SIZE = 3 * 4096;
    private static final MemorySegment ALL = HostMemory.everything();

    /** A GET by the number of its command, and the SET whose argument it gives. */
    private static final Map<Integer, Integer> SET_OF =
            Map.of(
                    number(Kvm.GET_REGS), number(Kvm.SET_REGS),
                    number(Kvm.GET_SREGS), number(Kvm.SET_SREGS),
                    number(Kvm.GET_XSAVE), number(Kvm.SET_XSAVE),
                    number(Kvm.GET_XCRS), number(Kvm.SET_XCRS),
                    number(Kvm.GET_LAPIC), number(Kvm.SET_LAPIC),
                    number(Kvm.GET_VCPU_EVENTS), number(Kvm.SET_VCPU_EVENTS));

    private final Map<Capability, Integer> capabilities = new EnumMap<>(Capability.class);
    private final Map<String, Integer> failures = new ConcurrentHashMap<>();
    private final Map<String, byte[]> set = new HashMap<>();
    private final Map<Integer, byte[]> last = new HashMap<>();
    private final Map<Integer, MemorySegment> runs = new HashMap<>();

    /** The names of the descriptors that are open. */
    final List<Integer> open = new ArrayList<>();

    /** The slots that were set, in order: number and size. */
    final List<String> slots = new ArrayList<>();

    private int nextDescriptor = 100;
    private int apiVersion = Kvm.API_VERSION;
    private Runnable onSlot = () -> {};
    private Execution execution = _ -> -Errno.EINTR.number();

    FakeKvm() {
        for (Capability capability : Capability.values()) {
            capabilities.put(capability, 1);
        }
        capabilities.put(Capability.KVM_CAP_NR_MEMSLOTS, 32);
        capabilities.put(Capability.KVM_CAP_MAX_VCPUS, 8);
        capabilities.put(Capability.KVM_CAP_X86_SMM, 0);
        capabilities.put(Capability.KVM_CAP_TSC_CONTROL, 0);
    }

    FakeKvm has(Capability capability, int value) {
        capabilities.put(capability, value);
        return this;
    }

    FakeKvm apiVersion(int version) {
        apiVersion = version;
        return this;
    }

    /** Has the command of that name fail from now on; "open" is the opening of the device. */
    FakeKvm fails(String command, Errno errno) {
        failures.put(command, errno.number());
        return this;
    }

    FakeKvm runs(Execution what) {
        execution = what;
        return this;
    }

    /** What happens when a slot is set. */
    FakeKvm onSlot(Runnable what) {
        onSlot = what;
        return this;
    }

    /** Number and type of a command, without size and direction. */
    private static int number(Ioctl command) {
        return number(command.number());
    }

    private static int number(long command) {
        return (int) command & 0xFFFF;
    }

    private int failure(long command) {
        for (Map.Entry<String, Integer> failure : failures.entrySet()) {
            if (Commands.NUMBERS.getOrDefault(failure.getKey(), 0L) == command) {
                return -failure.getValue();
            }
        }
        return 0;
    }

    @Override
    public synchronized int open(Path path) {
        Integer failure = failures.get("open");
        return failure != null ? -failure : descriptor();
    }

    private int descriptor() {
        open.add(nextDescriptor);
        return nextDescriptor++;
    }

    @Override
    public int ioctl(int fd, long command, long argument) {
        if (command == Kvm.RUN.number()) {
            return run(fd);
        }
        synchronized (this) {
            int failure = failure(command);
            return failure != 0 ? failure : answer(fd, command, argument);
        }
    }

    private int run(int fd) {
        MemorySegment run;
        synchronized (this) {
            run = Objects.requireNonNull(runs.get(fd));
            int failure = failure(Kvm.RUN.number());
            if (failure != 0) {
                return failure;
            }
        }
        if (run.get(JAVA_BYTE, Structs.at(Structs.RUN, "immediate_exit")) != 0) {
            return -Errno.EINTR.number();
        }
        try {
            return execution.run(run);
        } catch (InterruptedException e) {
            return -Errno.EINTR.number();
        }
    }

    private int answer(int fd, long command, long argument) {
        int number = number(command);
        if (number == number(Kvm.GET_API_VERSION)) {
            return apiVersion;
        } else if (number == number(Kvm.CHECK_EXTENSION)) {
            return capabilities.entrySet().stream()
                    .filter(each -> each.getKey().number() == argument)
                    .mapToInt(Map.Entry::getValue)
                    .findFirst()
                    .orElse(0);
        } else if (number == number(Kvm.GET_VCPU_MMAP_SIZE)) {
            return RUN_SIZE;
        } else if (command == Kvm.GET_TSC_KHZ.number()) {
            return 2_000_000;
        } else if (command == Kvm.SET_TSC_KHZ.number()) {
            return 0;
        } else if (number == number(Kvm.CREATE_VM) || number == number(Kvm.CREATE_VCPU)) {
            return descriptor();
        } else if (number == number(Kvm.GET_MSRS) || number == number(Kvm.SET_MSRS)) {
            // All there, all kept; those that are read are 0.
            return ALL.get(JAVA_INT, argument);
        } else if (number == number(Kvm.SET_USER_MEMORY_REGION)) {
            onSlot.run();
            slots.add(
                    ALL.get(JAVA_INT, argument)
                            + ": "
                            + ALL.asSlice(argument, 32)
                                    .get(java.lang.foreign.ValueLayout.JAVA_LONG, 16));
            return 0;
        }
        int size = (int) (command >>> 16) & 0x3FFF;
        Integer source = SET_OF.get(number);
        if (source != null) {
            byte[] value = set.getOrDefault(fd + "/" + source, new byte[size]);
            MemorySegment.copy(value, 0, ALL, JAVA_BYTE, argument, size);
        } else if ((command & 1L << 30) != 0 && size > 0) {
            byte[] value = ALL.asSlice(argument, size).toArray(JAVA_BYTE);
            set.put(fd + "/" + number, value);
            last.put(number, value);
        }
        return 0;
    }

    /** What {@code command} has set last, of whichever CPU. */
    synchronized byte[] lastSet(Ioctl command) {
        return Objects.requireNonNull(last.get(number(command)));
    }

    @Override
    public ControlFile.Repeated repeated(int fd, long command, long argument, Arena arena) {
        return () -> ioctl(fd, command, argument);
    }

    @Override
    public synchronized MemorySegment map(int fd, long offset, long size, Arena arena) {
        MemorySegment run = arena.allocate(size, 4096);
        if (offset == 0) {
            runs.put(fd, run);
        }
        return run;
    }

    @Override
    public synchronized void close(int fd) {
        open.removeIf(each -> each == fd);
    }

    /** The commands by their names. */
    private static final class Commands {
        static final Map<String, Long> NUMBERS = new HashMap<>();

        static {
            for (java.lang.reflect.Field field : Kvm.class.getDeclaredFields()) {
                try {
                    if (field.get(null) instanceof Ioctl ioctl) {
                        NUMBERS.put(ioctl.name(), ioctl.number());
                    }
                } catch (IllegalAccessException e) {
                    // Not a command: those can be seen in this package.
                }
            }
        }
    }
}
