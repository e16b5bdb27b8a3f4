// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.StructLayout;
import java.util.List;

/**
 * The structures of linux/kvm.h and asm/kvm.h for x86-64 that the engine passes to the kernel,
 * under their names there; those that end in an array of any length are declared without it.
 */
final class Structs {
    static final StructLayout REGS =
            MemoryLayout.structLayout(
                            u64("rax"),
                            u64("rbx"),
                            u64("rcx"),
                            u64("rdx"),
                            u64("rsi"),
                            u64("rdi"),
                            u64("rsp"),
                            u64("rbp"),
                            u64("r8"),
                            u64("r9"),
                            u64("r10"),
                            u64("r11"),
                            u64("r12"),
                            u64("r13"),
                            u64("r14"),
                            u64("r15"),
                            u64("rip"),
                            u64("rflags"))
                    .withName("kvm_regs");

    static final StructLayout SEGMENT =
            MemoryLayout.structLayout(
                            u64("base"),
                            u32("limit"),
                            u16("selector"),
                            u8("type"),
                            u8("present"),
                            u8("dpl"),
                            u8("db"),
                            u8("s"),
                            u8("l"),
                            u8("g"),
                            u8("avl"),
                            u8("unusable"),
                            u8("padding"))
                    .withName("kvm_segment");

    static final StructLayout DTABLE =
            MemoryLayout.structLayout(u64("base"), u16("limit"), pad("padding", 6))
                    .withName("kvm_dtable");

    static final StructLayout SREGS =
            MemoryLayout.structLayout(
                            SEGMENT.withName("cs"),
                            SEGMENT.withName("ds"),
                            SEGMENT.withName("es"),
                            SEGMENT.withName("fs"),
                            SEGMENT.withName("gs"),
                            SEGMENT.withName("ss"),
                            SEGMENT.withName("tr"),
                            SEGMENT.withName("ldt"),
                            DTABLE.withName("gdt"),
                            DTABLE.withName("idt"),
                            u64("cr0"),
                            u64("cr2"),
                            u64("cr3"),
                            u64("cr4"),
                            u64("cr8"),
                            u64("efer"),
                            u64("apic_base"),
                            array("interrupt_bitmap", 4, JAVA_LONG))
                    .withName("kvm_sregs");

    static final StructLayout XSAVE =
            MemoryLayout.structLayout(array("region", 1024, JAVA_INT)).withName("kvm_xsave");

    static final StructLayout XCR =
            MemoryLayout.structLayout(u32("xcr"), u32("reserved"), u64("value"))
                    .withName("kvm_xcr");

    static final StructLayout XCRS =
            MemoryLayout.structLayout(
                            u32("nr_xcrs"),
                            u32("flags"),
                            MemoryLayout.sequenceLayout(16, XCR).withName("xcrs"),
                            array("padding", 16, JAVA_LONG))
                    .withName("kvm_xcrs");

    static final StructLayout DEBUGREGS =
            MemoryLayout.structLayout(
                            array("db", 4, JAVA_LONG),
                            u64("dr6"),
                            u64("dr7"),
                            u64("flags"),
                            array("reserved", 9, JAVA_LONG))
                    .withName("kvm_debugregs");

    static final StructLayout VCPU_EVENTS =
            MemoryLayout.structLayout(
                            MemoryLayout.structLayout(
                                            u8("injected"),
                                            u8("nr"),
                                            u8("has_error_code"),
                                            u8("pending"),
                                            u32("error_code"))
                                    .withName("exception"),
                            MemoryLayout.structLayout(
                                            u8("injected"), u8("nr"), u8("soft"), u8("shadow"))
                                    .withName("interrupt"),
                            MemoryLayout.structLayout(
                                            u8("injected"), u8("pending"), u8("masked"), u8("pad"))
                                    .withName("nmi"),
                            u32("sipi_vector"),
                            u32("flags"),
                            MemoryLayout.structLayout(
                                            u8("smm"),
                                            u8("pending"),
                                            u8("smm_inside_nmi"),
                                            u8("latched_init"))
                                    .withName("smi"),
                            // The last 27 bytes have got names since Linux 5.8; the sizes stay.
                            MemoryLayout.paddingLayout(27),
                            u8("exception_has_payload"),
                            u64("exception_payload"))
                    .withName("kvm_vcpu_events");

    static final StructLayout MSR_ENTRY =
            MemoryLayout.structLayout(u32("index"), u32("reserved"), u64("data"))
                    .withName("kvm_msr_entry");

    /** Entries follow. */
    static final StructLayout MSRS =
            MemoryLayout.structLayout(u32("nmsrs"), u32("pad")).withName("kvm_msrs");

    /** Indices of 32 bits follow. */
    static final StructLayout MSR_LIST =
            MemoryLayout.structLayout(u32("nmsrs")).withName("kvm_msr_list");

    static final StructLayout CPUID_ENTRY2 =
            MemoryLayout.structLayout(
                            u32("function"),
                            u32("index"),
                            u32("flags"),
                            u32("eax"),
                            u32("ebx"),
                            u32("ecx"),
                            u32("edx"),
                            array("padding", 3, JAVA_INT))
                    .withName("kvm_cpuid_entry2");

    /** Entries follow. */
    static final StructLayout CPUID2 =
            MemoryLayout.structLayout(u32("nent"), u32("padding")).withName("kvm_cpuid2");

    static final StructLayout INTERRUPT =
            MemoryLayout.structLayout(u32("irq")).withName("kvm_interrupt");

    static final StructLayout USERSPACE_MEMORY_REGION =
            MemoryLayout.structLayout(
                            u32("slot"),
                            u32("flags"),
                            u64("guest_phys_addr"),
                            u64("memory_size"),
                            u64("userspace_addr"))
                    .withName("kvm_userspace_memory_region");

    static final StructLayout DIRTY_LOG =
            MemoryLayout.structLayout(u32("slot"), u32("padding1"), u64("dirty_bitmap"))
                    .withName("kvm_dirty_log");

    static final StructLayout DIRTY_GFN =
            MemoryLayout.structLayout(u32("flags"), u32("slot"), u64("offset"))
                    .withName("kvm_dirty_gfn");

    static final StructLayout ENABLE_CAP =
            MemoryLayout.structLayout(
                            u32("cap"), u32("flags"), array("args", 4, JAVA_LONG), pad("pad", 64))
                    .withName("kvm_enable_cap");

    static final StructLayout MSR_FILTER_RANGE =
            MemoryLayout.structLayout(
                            u32("flags"),
                            u32("nmsrs"),
                            u32("base"),
                            MemoryLayout.paddingLayout(4),
                            u64("bitmap"))
                    .withName("kvm_msr_filter_range");

    static final StructLayout MSR_FILTER =
            MemoryLayout.structLayout(
                            u32("flags"),
                            MemoryLayout.paddingLayout(4),
                            MemoryLayout.sequenceLayout(16, MSR_FILTER_RANGE).withName("ranges"))
                    .withName("kvm_msr_filter");

    static final StructLayout DEVICE_ATTR =
            MemoryLayout.structLayout(u32("flags"), u32("group"), u64("attr"), u64("addr"))
                    .withName("kvm_device_attr");

    static final StructLayout IOEVENTFD =
            MemoryLayout.structLayout(
                            u64("datamatch"),
                            u64("addr"),
                            u32("len"),
                            u32("fd"),
                            u32("flags"),
                            pad("pad", 36))
                    .withName("kvm_ioeventfd");

    static final StructLayout IRQFD =
            MemoryLayout.structLayout(
                            u32("fd"), u32("gsi"), u32("flags"), u32("resamplefd"), pad("pad", 16))
                    .withName("kvm_irqfd");

    static final StructLayout MSI =
            MemoryLayout.structLayout(
                            u32("address_lo"),
                            u32("address_hi"),
                            u32("data"),
                            u32("flags"),
                            u32("devid"),
                            pad("pad", 12))
                    .withName("kvm_msi");

    /** Entries follow. */
    static final StructLayout IRQ_ROUTING =
            MemoryLayout.structLayout(u32("nr"), u32("flags")).withName("kvm_irq_routing");

    static final StructLayout IRQ_ROUTING_ENTRY =
            MemoryLayout.structLayout(
                            u32("gsi"), u32("type"), u32("flags"), u32("pad"), pad("u", 32))
                    .withName("kvm_irq_routing_entry");

    /** What is in {@code u} of an entry of type KVM_IRQ_ROUTING_MSI. */
    static final StructLayout IRQ_ROUTING_MSI =
            MemoryLayout.structLayout(
                            u32("address_lo"), u32("address_hi"), u32("data"), u32("devid"))
                    .withName("kvm_irq_routing_msi");

    /** What is in {@code u} of an entry of type KVM_IRQ_ROUTING_IRQCHIP. */
    static final StructLayout IRQ_ROUTING_IRQCHIP =
            MemoryLayout.structLayout(u32("irqchip"), u32("pin"))
                    .withName("kvm_irq_routing_irqchip");

    static final StructLayout IRQ_LEVEL =
            MemoryLayout.structLayout(u32("irq"), u32("level")).withName("kvm_irq_level");

    /** A chip's state is in {@code chip}. */
    static final StructLayout IRQCHIP =
            MemoryLayout.structLayout(u32("chip_id"), u32("pad"), pad("chip", 512))
                    .withName("kvm_irqchip");

    static final StructLayout PIC_STATE =
            MemoryLayout.structLayout(
                            u8("last_irr"),
                            u8("irr"),
                            u8("imr"),
                            u8("isr"),
                            u8("priority_add"),
                            u8("irq_base"),
                            u8("read_reg_select"),
                            u8("poll"),
                            u8("special_mask"),
                            u8("init_state"),
                            u8("auto_eoi"),
                            u8("rotate_on_auto_eoi"),
                            u8("special_fully_nested_mode"),
                            u8("init4"),
                            u8("elcr"),
                            u8("elcr_mask"))
                    .withName("kvm_pic_state");

    static final StructLayout IOAPIC_STATE =
            MemoryLayout.structLayout(
                            u64("base_address"),
                            u32("ioregsel"),
                            u32("id"),
                            u32("irr"),
                            u32("pad"),
                            array("redirtbl", 24, JAVA_LONG))
                    .withName("kvm_ioapic_state");

    static final StructLayout PIT_CONFIG =
            MemoryLayout.structLayout(u32("flags"), pad("pad", 60)).withName("kvm_pit_config");

    static final StructLayout PIT_CHANNEL_STATE =
            MemoryLayout.structLayout(
                            u32("count"),
                            u16("latched_count"),
                            u8("count_latched"),
                            u8("status_latched"),
                            u8("status"),
                            u8("read_state"),
                            u8("write_state"),
                            u8("write_latch"),
                            u8("rw_mode"),
                            u8("mode"),
                            u8("bcd"),
                            u8("gate"),
                            u64("count_load_time"))
                    .withName("kvm_pit_channel_state");

    static final StructLayout PIT_STATE2 =
            MemoryLayout.structLayout(
                            MemoryLayout.sequenceLayout(3, PIT_CHANNEL_STATE).withName("channels"),
                            u32("flags"),
                            array("reserved", 9, JAVA_INT))
                    .withName("kvm_pit_state2");

    static final StructLayout CLOCK_DATA =
            MemoryLayout.structLayout(
                            u64("clock"),
                            u32("flags"),
                            u32("pad0"),
                            u64("realtime"),
                            u64("host_tsc"),
                            array("pad", 4, JAVA_INT))
                    .withName("kvm_clock_data");

    static final StructLayout LAPIC_STATE =
            MemoryLayout.structLayout(pad("regs", 1024)).withName("kvm_lapic_state");

    static final StructLayout MP_STATE =
            MemoryLayout.structLayout(u32("mp_state")).withName("kvm_mp_state");

    static final StructLayout GUEST_DEBUG_ARCH =
            MemoryLayout.structLayout(array("debugreg", 8, JAVA_LONG))
                    .withName("kvm_guest_debug_arch");

    static final StructLayout GUEST_DEBUG =
            MemoryLayout.structLayout(u32("control"), u32("pad"), GUEST_DEBUG_ARCH.withName("arch"))
                    .withName("kvm_guest_debug");

    /** What all exits share; the part of each reason follows. */
    static final StructLayout RUN =
            MemoryLayout.structLayout(
                            u8("request_interrupt_window"),
                            u8("immediate_exit"),
                            pad("padding1", 6),
                            u32("exit_reason"),
                            u8("ready_for_interrupt_injection"),
                            u8("if_flag"),
                            u16("flags"),
                            u64("cr8"),
                            u64("apic_base"))
                    .withName("kvm_run");

    static final StructLayout RUN_FAIL_ENTRY =
            MemoryLayout.structLayout(u64("hardware_entry_failure_reason"), u32("cpu"))
                    .withName("fail_entry");

    static final StructLayout RUN_IO =
            MemoryLayout.structLayout(
                            u8("direction"),
                            u8("size"),
                            u16("port"),
                            u32("count"),
                            u64("data_offset"))
                    .withName("io");

    static final StructLayout RUN_MMIO =
            MemoryLayout.structLayout(u64("phys_addr"), pad("data", 8), u32("len"), u8("is_write"))
                    .withName("mmio");

    static final StructLayout RUN_INTERNAL =
            MemoryLayout.structLayout(u32("suberror"), u32("ndata"), array("data", 16, JAVA_LONG))
                    .withName("internal");

    static final StructLayout RUN_DEBUG_ARCH =
            MemoryLayout.structLayout(
                            u32("exception"), u32("pad"), u64("pc"), u64("dr6"), u64("dr7"))
                    .withName("debug.arch");

    static final StructLayout RUN_MSR =
            MemoryLayout.structLayout(
                            u8("error"), pad("pad", 7), u32("reason"), u32("index"), u64("data"))
                    .withName("msr");

    static final StructLayout RUN_EOI = MemoryLayout.structLayout(u8("vector")).withName("eoi");

    /** Whole structures, by their names in C. */
    static final List<StructLayout> ALL =
            List.of(
                    REGS,
                    SEGMENT,
                    DTABLE,
                    SREGS,
                    XSAVE,
                    XCR,
                    XCRS,
                    DEBUGREGS,
                    VCPU_EVENTS,
                    MSR_ENTRY,
                    MSRS,
                    CPUID_ENTRY2,
                    CPUID2,
                    INTERRUPT,
                    USERSPACE_MEMORY_REGION,
                    DIRTY_LOG,
                    DIRTY_GFN,
                    ENABLE_CAP,
                    MSR_FILTER_RANGE,
                    MSR_FILTER,
                    DEVICE_ATTR,
                    MSR_LIST,
                    IOEVENTFD,
                    IRQFD,
                    MSI,
                    IRQ_ROUTING,
                    IRQ_ROUTING_ENTRY,
                    IRQ_ROUTING_MSI,
                    IRQ_ROUTING_IRQCHIP,
                    IRQ_LEVEL,
                    IRQCHIP,
                    PIC_STATE,
                    IOAPIC_STATE,
                    PIT_CONFIG,
                    PIT_CHANNEL_STATE,
                    PIT_STATE2,
                    CLOCK_DATA,
                    LAPIC_STATE,
                    MP_STATE,
                    GUEST_DEBUG_ARCH,
                    GUEST_DEBUG);

    /** The parts of the union behind {@link #RUN}, by their names in C. */
    static final List<StructLayout> RUN_PARTS =
            List.of(
                    RUN_FAIL_ENTRY,
                    RUN_IO,
                    RUN_MMIO,
                    RUN_INTERNAL,
                    RUN_DEBUG_ARCH,
                    RUN_MSR,
                    RUN_EOI);

    private Structs() {}

    /** The offset in bytes of a field, whose path is given by names. */
    static long at(StructLayout struct, String... path) {
        PathElement[] elements = new PathElement[path.length];
        for (int i = 0; i < path.length; i++) {
            elements[i] = PathElement.groupElement(path[i]);
        }
        return struct.byteOffset(elements);
    }

    /** The offset in kvm_run of a field of the union's {@code part}. */
    static long inRun(StructLayout part, String field) {
        return RUN.byteSize() + at(part, field);
    }

    private static MemoryLayout u8(String name) {
        return JAVA_BYTE.withName(name);
    }

    private static MemoryLayout u16(String name) {
        return JAVA_SHORT.withName(name);
    }

    private static MemoryLayout u32(String name) {
        return JAVA_INT.withName(name);
    }

    private static MemoryLayout u64(String name) {
        return JAVA_LONG.withName(name);
    }

    private static SequenceLayout pad(String name, long bytes) {
        return array(name, bytes, JAVA_BYTE);
    }

    private static SequenceLayout array(String name, long length, MemoryLayout element) {
        return MemoryLayout.sequenceLayout(length, element).withName(name);
    }
}
