// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import dev.frond.host.Ioctl;

/** Commands, capabilities and numbers of linux/kvm.h and asm/kvm.h, under their names there. */
final class Kvm {
    private static final int KVMIO = 0xAE;

    static final int API_VERSION = 12;

    // Commands of /dev/kvm.
    static final Ioctl GET_API_VERSION = plain("KVM_GET_API_VERSION", 0x00);
    static final Ioctl CREATE_VM = plain("KVM_CREATE_VM", 0x01);
    static final Ioctl GET_MSR_INDEX_LIST =
            Ioctl.readWrite("KVM_GET_MSR_INDEX_LIST", KVMIO, 0x02, Structs.MSR_LIST.byteSize());
    static final Ioctl CHECK_EXTENSION = plain("KVM_CHECK_EXTENSION", 0x03);
    static final Ioctl GET_VCPU_MMAP_SIZE = plain("KVM_GET_VCPU_MMAP_SIZE", 0x04);
    static final Ioctl GET_SUPPORTED_CPUID =
            Ioctl.readWrite("KVM_GET_SUPPORTED_CPUID", KVMIO, 0x05, Structs.CPUID2.byteSize());

    // Of a virtual machine.
    static final Ioctl CREATE_VCPU = plain("KVM_CREATE_VCPU", 0x41);
    static final Ioctl GET_DIRTY_LOG =
            Ioctl.write("KVM_GET_DIRTY_LOG", KVMIO, 0x42, Structs.DIRTY_LOG.byteSize());
    static final Ioctl SET_USER_MEMORY_REGION =
            Ioctl.write(
                    "KVM_SET_USER_MEMORY_REGION",
                    KVMIO,
                    0x46,
                    Structs.USERSPACE_MEMORY_REGION.byteSize());
    static final Ioctl SET_TSS_ADDR = plain("KVM_SET_TSS_ADDR", 0x47);
    static final Ioctl SET_IDENTITY_MAP_ADDR =
            Ioctl.write("KVM_SET_IDENTITY_MAP_ADDR", KVMIO, 0x48, 8);
    static final Ioctl CREATE_IRQCHIP = plain("KVM_CREATE_IRQCHIP", 0x60);
    static final Ioctl IRQ_LINE = write("KVM_IRQ_LINE", 0x61, Structs.IRQ_LEVEL.byteSize());
    static final Ioctl GET_IRQCHIP =
            Ioctl.readWrite("KVM_GET_IRQCHIP", KVMIO, 0x62, Structs.IRQCHIP.byteSize());
    static final Ioctl SET_IRQCHIP = read("KVM_SET_IRQCHIP", 0x63, Structs.IRQCHIP.byteSize());
    static final Ioctl CREATE_PIT2 = write("KVM_CREATE_PIT2", 0x77, Structs.PIT_CONFIG.byteSize());
    static final Ioctl GET_PIT2 = read("KVM_GET_PIT2", 0x9F, Structs.PIT_STATE2.byteSize());
    static final Ioctl SET_PIT2 = write("KVM_SET_PIT2", 0xA0, Structs.PIT_STATE2.byteSize());
    static final Ioctl SET_GSI_ROUTING =
            Ioctl.write("KVM_SET_GSI_ROUTING", KVMIO, 0x6A, Structs.IRQ_ROUTING.byteSize());
    static final Ioctl IRQFD = Ioctl.write("KVM_IRQFD", KVMIO, 0x76, Structs.IRQFD.byteSize());
    static final Ioctl IOEVENTFD =
            Ioctl.write("KVM_IOEVENTFD", KVMIO, 0x79, Structs.IOEVENTFD.byteSize());
    static final Ioctl SET_CLOCK = write("KVM_SET_CLOCK", 0x7B, Structs.CLOCK_DATA.byteSize());
    static final Ioctl GET_CLOCK = read("KVM_GET_CLOCK", 0x7C, Structs.CLOCK_DATA.byteSize());
    static final Ioctl SIGNAL_MSI =
            Ioctl.write("KVM_SIGNAL_MSI", KVMIO, 0xA5, Structs.MSI.byteSize());
    static final Ioctl ENABLE_CAP =
            Ioctl.write("KVM_ENABLE_CAP", KVMIO, 0xA3, Structs.ENABLE_CAP.byteSize());
    static final Ioctl X86_SET_MSR_FILTER =
            Ioctl.write("KVM_X86_SET_MSR_FILTER", KVMIO, 0xC6, Structs.MSR_FILTER.byteSize());

    static final Ioctl RESET_DIRTY_RINGS = plain("KVM_RESET_DIRTY_RINGS", 0xC7);

    // Of a CPU.
    static final Ioctl RUN = plain("KVM_RUN", 0x80);
    static final Ioctl GET_REGS = read("KVM_GET_REGS", 0x81, Structs.REGS.byteSize());
    static final Ioctl SET_REGS = write("KVM_SET_REGS", 0x82, Structs.REGS.byteSize());
    static final Ioctl GET_SREGS = read("KVM_GET_SREGS", 0x83, Structs.SREGS.byteSize());
    static final Ioctl SET_SREGS = write("KVM_SET_SREGS", 0x84, Structs.SREGS.byteSize());
    static final Ioctl INTERRUPT = write("KVM_INTERRUPT", 0x86, Structs.INTERRUPT.byteSize());
    static final Ioctl GET_MSRS =
            Ioctl.readWrite("KVM_GET_MSRS", KVMIO, 0x88, Structs.MSRS.byteSize());
    static final Ioctl SET_MSRS = write("KVM_SET_MSRS", 0x89, Structs.MSRS.byteSize());
    static final Ioctl SET_CPUID2 = write("KVM_SET_CPUID2", 0x90, Structs.CPUID2.byteSize());
    static final Ioctl GET_LAPIC = read("KVM_GET_LAPIC", 0x8E, Structs.LAPIC_STATE.byteSize());
    static final Ioctl SET_LAPIC = write("KVM_SET_LAPIC", 0x8F, Structs.LAPIC_STATE.byteSize());
    static final Ioctl GET_MP_STATE = read("KVM_GET_MP_STATE", 0x98, Structs.MP_STATE.byteSize());
    static final Ioctl SET_MP_STATE = write("KVM_SET_MP_STATE", 0x99, Structs.MP_STATE.byteSize());
    static final Ioctl NMI = plain("KVM_NMI", 0x9A);
    static final Ioctl SET_GUEST_DEBUG =
            write("KVM_SET_GUEST_DEBUG", 0x9B, Structs.GUEST_DEBUG.byteSize());
    static final Ioctl X86_SETUP_MCE = write("KVM_X86_SETUP_MCE", 0x9C, 8);
    static final Ioctl GET_VCPU_EVENTS =
            read("KVM_GET_VCPU_EVENTS", 0x9F, Structs.VCPU_EVENTS.byteSize());
    static final Ioctl SET_VCPU_EVENTS =
            write("KVM_SET_VCPU_EVENTS", 0xA0, Structs.VCPU_EVENTS.byteSize());
    static final Ioctl GET_DEBUGREGS =
            read("KVM_GET_DEBUGREGS", 0xA1, Structs.DEBUGREGS.byteSize());
    static final Ioctl SET_DEBUGREGS =
            write("KVM_SET_DEBUGREGS", 0xA2, Structs.DEBUGREGS.byteSize());
    static final Ioctl SET_TSC_KHZ = plain("KVM_SET_TSC_KHZ", 0xA2);
    static final Ioctl GET_TSC_KHZ = plain("KVM_GET_TSC_KHZ", 0xA3);
    static final Ioctl GET_XSAVE = read("KVM_GET_XSAVE", 0xA4, Structs.XSAVE.byteSize());
    static final Ioctl SET_XSAVE = write("KVM_SET_XSAVE", 0xA5, Structs.XSAVE.byteSize());
    static final Ioctl GET_XCRS = read("KVM_GET_XCRS", 0xA6, Structs.XCRS.byteSize());
    static final Ioctl SET_XCRS = write("KVM_SET_XCRS", 0xA7, Structs.XCRS.byteSize());
    static final Ioctl SMI = plain("KVM_SMI", 0xB7);
    static final Ioctl SET_DEVICE_ATTR =
            write("KVM_SET_DEVICE_ATTR", 0xE1, Structs.DEVICE_ATTR.byteSize());
    static final Ioctl GET_DEVICE_ATTR =
            write("KVM_GET_DEVICE_ATTR", 0xE2, Structs.DEVICE_ATTR.byteSize());
    static final Ioctl HAS_DEVICE_ATTR =
            write("KVM_HAS_DEVICE_ATTR", 0xE3, Structs.DEVICE_ATTR.byteSize());

    /** A capability, and the first kernel that has it. */
    enum Capability {
        KVM_CAP_IRQCHIP(0, "2.6.20"),
        KVM_CAP_USER_MEMORY(3, "2.6.24"),
        KVM_CAP_SET_TSS_ADDR(4, "2.6.24"),
        KVM_CAP_EXT_CPUID(7, "2.6.26"),
        KVM_CAP_NR_MEMSLOTS(10, "2.6.27"),
        KVM_CAP_MP_STATE(14, "2.6.27"),
        KVM_CAP_USER_NMI(22, "2.6.28"),
        KVM_CAP_SET_GUEST_DEBUG(23, "2.6.30"),
        KVM_CAP_IRQ_ROUTING(25, "2.6.30"),
        KVM_CAP_MCE(31, "2.6.31"),
        KVM_CAP_IRQFD(32, "2.6.32"),
        KVM_CAP_PIT2(33, "2.6.31"),
        KVM_CAP_PIT_STATE2(35, "2.6.32"),
        KVM_CAP_IOEVENTFD(36, "2.6.32"),
        KVM_CAP_SET_IDENTITY_MAP_ADDR(37, "2.6.32"),
        KVM_CAP_ADJUST_CLOCK(39, "2.6.33"),
        KVM_CAP_VCPU_EVENTS(41, "2.6.33"),
        KVM_CAP_DEBUGREGS(50, "2.6.35"),
        KVM_CAP_XSAVE(55, "2.6.36"),
        KVM_CAP_XCRS(56, "2.6.36"),
        KVM_CAP_TSC_CONTROL(60, "2.6.39"),
        KVM_CAP_GET_TSC_KHZ(61, "2.6.39"),
        KVM_CAP_MAX_VCPUS(66, "3.1"),
        KVM_CAP_SIGNAL_MSI(77, "3.5"),
        KVM_CAP_READONLY_MEM(81, "3.8"),
        KVM_CAP_X86_SMM(117, "4.2"),
        KVM_CAP_SPLIT_IRQCHIP(121, "4.4"),
        KVM_CAP_IMMEDIATE_EXIT(136, "4.13"),
        KVM_CAP_EXCEPTION_PAYLOAD(164, "4.20"),
        KVM_CAP_X86_USER_SPACE_MSR(188, "5.10"),
        KVM_CAP_X86_MSR_FILTER(189, "5.10"),
        KVM_CAP_DIRTY_LOG_RING(192, "5.11");

        private final int number;
        private final String since;

        Capability(int number, String since) {
            this.number = number;
            this.since = since;
        }

        int number() {
            return number;
        }

        /** The first version of Linux that has it. */
        String since() {
            return since;
        }
    }

    // What KVM_RUN returns for: kvm_run.exit_reason.
    static final int EXIT_IO = 2;
    static final int EXIT_DEBUG = 4;
    static final int EXIT_HLT = 5;
    static final int EXIT_MMIO = 6;
    static final int EXIT_IRQ_WINDOW_OPEN = 7;
    static final int EXIT_SHUTDOWN = 8;
    static final int EXIT_FAIL_ENTRY = 9;
    static final int EXIT_INTR = 10;
    static final int EXIT_SET_TPR = 11;
    static final int EXIT_INTERNAL_ERROR = 17;
    static final int EXIT_IOAPIC_EOI = 26;
    static final int EXIT_X86_RDMSR = 29;
    static final int EXIT_X86_WRMSR = 30;

    static final int EXIT_DIRTY_RING_FULL = 31;

    static final int EXIT_IO_OUT = 1;

    static final int MEM_LOG_DIRTY_PAGES = 1;
    static final int MEM_READONLY = 2;

    static final int DIRTY_LOG_PAGE_OFFSET = 64;
    static final int DIRTY_GFN_F_DIRTY = 1;
    static final int DIRTY_GFN_F_RESET = 2;

    static final int GUESTDBG_ENABLE = 1;
    static final int GUESTDBG_SINGLESTEP = 2;
    static final int GUESTDBG_USE_SW_BP = 0x1_0000;
    static final int GUESTDBG_USE_HW_BP = 0x2_0000;

    static final int MSR_FILTER_DEFAULT_DENY = 1;

    static final int IOEVENTFD_FLAG_DATAMATCH = 1;
    static final int IOEVENTFD_FLAG_DEASSIGN = 4;

    static final int IRQ_ROUTING_IRQCHIP = 1;
    static final int IRQ_ROUTING_MSI = 2;

    static final int IRQCHIP_PIC_MASTER = 0;
    static final int IRQCHIP_PIC_SLAVE = 1;
    static final int IRQCHIP_IOAPIC = 2;

    static final int PIT_SPEAKER_DUMMY = 1;
    static final int PIT_FLAGS_SPEAKER_DATA_ON = 2;

    static final int MP_STATE_RUNNABLE = 0;
    static final int MP_STATE_UNINITIALIZED = 1;
    static final int MP_STATE_INIT_RECEIVED = 2;
    static final int MP_STATE_HALTED = 3;

    static final int CPUID_FLAG_SIGNIFCANT_INDEX = 1;

    static final int MSR_EXIT_REASON_INVAL = 1;
    static final int MSR_EXIT_REASON_FILTER = 4;
    static final int MSR_FILTER_READ = 1;
    static final int MSR_FILTER_WRITE = 2;

    static final int VCPUEVENT_VALID_NMI_PENDING = 1;
    static final int VCPUEVENT_VALID_SHADOW = 4;
    static final int VCPUEVENT_VALID_SMM = 8;
    static final int VCPUEVENT_VALID_PAYLOAD = 0x10;
    static final int X86_SHADOW_INT_MOV_SS = 1;
    static final int X86_SHADOW_INT_STI = 2;

    static final int VCPU_TSC_CTRL = 0;
    static final long VCPU_TSC_OFFSET = 0;

    private Kvm() {}

    private static Ioctl plain(String name, int number) {
        return Ioctl.plain(name, KVMIO, number);
    }

    private static Ioctl read(String name, int number, long size) {
        return Ioctl.read(name, KVMIO, number, size);
    }

    private static Ioctl write(String name, int number, long size) {
        return Ioctl.write(name, KVMIO, number, size);
    }
}
