# Copyright 2026 The Frond Authors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./frond: kernels that always exist, so that the AOT caches are made by running machines.

# Writes the kernel to standard output: a Multiboot 1 image whose header gives its address, 100000h. In protected mode with
# paging it takes three interrupts of the timer in HLT, says "training" on COM1 and switches the machine off. It is the output
# of an assembler with the source beside it.
training_kernel() {
    local line
    while read -r line; do
        # Each group of two hexadecimal digits is a byte; what follows two blanks is for the reader.
        line=${line%%  *}
        printf '%b' "\\x${line// /\\x}"
    done <<'KERNEL'
02 B0 AD 1B 00 00 01 00 FE 4F 51 E4  dd 0x1BADB002, 0x00010000, -(0x1BADB002 + 0x00010000)
00 00 10 00 00 00 10 00              dd 0x100000, 0x100000        ; header_addr, load_addr
00 00 00 00 00 00 00 00 20 00 10 00  dd 0, 0, start               ; load_end_addr, bss_end_addr, entry_addr
BC 00 40 10 00                       start: mov esp, 0x104000
C7 05 00 21 10 00 9E 00 10 00        mov dword [0x102100], tick | 0x10 << 16   ; gate 20h; both end in 10h
C7 05 04 21 10 00 00 8E 10 00        mov dword [0x102104], 0x108E00
0F 01 1D A4 00 10 00                 lidt [table]
C7 05 00 10 10 00 83 00 00 00        mov dword [0x101000], 0x83   ; a large page maps itself
B8 00 10 10 00 0F 22 D8              mov eax, 0x101000; mov cr3, eax
B8 10 00 00 00 0F 22 E0              mov eax, 0x10; mov cr4, eax  ; PSE
0F 20 C0 0D 00 00 00 80 0F 22 C0     mov eax, cr0; or eax, 0x80000000; mov cr0, eax
BE AA 00 10 00                       mov esi, pairs
B9 08 00 00 00 31 D2                 mov ecx, 8; xor edx, edx
AC 88 C2                             setup: lodsb; mov dl, al     ; a port
AC EE                                lodsb; out dx, al            ; and a byte for it
E2 F9 FB                             loop setup; sti
F4 83 FB 03 72 FA                    wait: hlt; cmp ebx, 3; jb wait
BE BA 00 10 00 B9 09 00 00 00        mov esi, text; mov ecx, 9
BA F8 03 00 00 F3 6E                 mov edx, 0x3F8; rep outsb
BA 04 06 00 00 B8 00 34 00 00        mov edx, 0x604; mov eax, 0x3400   ; PM1a_CNT: SLP_TYP 5, SLP_EN
66 EF EB FE                          out dx, ax; jmp $
43 B0 20 E6 20 CF                    tick: inc ebx; mov al, 0x20; out 0x20, al; iret
FF 07 00 20 10 00                    table: dw 0x7FF; dd 0x102000
20 11 21 20 21 04 21 01 21 FE        pairs: ICW1 to ICW4 of the first 8259, all masked but the timer
43 34 40 00 40 10                    counter 0 of the 8254: mode 2, every 1000h ticks
74 72 61 69 6E 69 6E 67 0A           text: db "training", 10
KERNEL
}

# Writes the other one: tools/training-interpreter.asm.
training_interpreter() {
    local line
    while read -r line; do
        printf '%b' "$(sed 's/../\\x&/g' <<<"$line")"
    done <"$here/tools/training-interpreter.hex"
}
