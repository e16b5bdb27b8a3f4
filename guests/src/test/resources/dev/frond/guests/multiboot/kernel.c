// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// Prints on COM1 what the boot loader handed over, tries the memory, and ends the machine through the debug-exit port.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __UINTPTR_TYPE__ address;

// Multiboot Specification 0.6.96, section 3.3.
struct info {
    u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
    u32 drives_length, drives_addr, config_table, boot_loader_name;
};

struct module {
    u32 start, end, string, reserved;
};

struct range {
    u32 size;
    u64 base, length;
    u32 type;
} __attribute__((packed));

static void out8(u16 port, u8 value) {
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void out32(u16 port, u32 value) {
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static u8 in8(u16 port) {
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void put(char c) {
    while (!(in8(0x3FD) & 0x20)) {
    }
    out8(0x3F8, (u8) c);
}

static void text(const char *s) {
    while (*s) {
        put(*s++);
    }
}

static void hex(u64 value) {
    text("0x");
    int shift = 60;
    while (shift > 0 && !(value >> shift)) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        put("0123456789abcdef"[value >> shift & 15]);
    }
}

static void field(const char *name, u64 value) {
    text(name);
    hex(value);
}

static void quoted(const char *name, u32 string) {
    text(name);
    text("'");
    text((const char *) (address) string);
    text("'");
}

void kernel(u32 magic, const struct info *info) {
    text(sizeof(address) == 8 ? "64-bit kernel\n" : "32-bit kernel\n");
    field("magic ", magic);
    field(" flags ", info->flags);
    quoted("\ncommand line ", info->cmdline);
    quoted("\nloader ", info->boot_loader_name);
    field("\nlower ", info->mem_lower);
    field(" upper ", info->mem_upper);
    for (u32 at = 0; at < info->mmap_length;) {
        const struct range *range = (const struct range *) (address) (info->mmap_addr + at);
        field("\nrange ", range->base);
        field(" length ", range->length);
        field(" type ", range->type);
        // The last 8 bytes of each range of RAM that this program can address.
        u64 end = range->base + range->length;
        if (range->type == 1 && (end <= 0x100000000 || sizeof(address) == 8)) {
            volatile u64 *last = (volatile u64 *) (address) (end - 8);
            *last = 0x0123456789ABCDEF ^ end;
            field(" holds ", *last ^ end);
        }
        at += range->size + 4;
    }
    for (u32 i = 0; i < info->mods_count; i++) {
        const struct module *module = (const struct module *) (address) info->mods_addr + i;
        quoted("\nmodule ", module->string);
        text(module->start % 4096 ? " anywhere " : " on a page ");
        for (u32 at = module->start; at < module->end; at++) {
            put(*(const char *) (address) at);
        }
    }
    text("\nend\n");
    out32(0xF4, 0x15);
}
