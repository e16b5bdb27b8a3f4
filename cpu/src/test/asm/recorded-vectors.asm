; Copyright 2026 The Frond Authors
; SPDX-License-Identifier: Apache-2.0
;
; The program that executes recorded vectors: takes one case after the other from a table, enters
; its mode with its registers and memory, and tells at port E9h what came of it. The whole image
; stands at address 0; a ROM jumps to 0000:1000. tools/record-vectors assembles and runs it; its
; bytes are part of the recording.

        cpu     x64
        org     0

ARENA   equ     0x10000         ; the memory of cases, all INT3 but for what a case puts there
LENGTH  equ     0x6000
SHADOW  equ     0x300000        ; what is in the arena when a case starts
CHANGES equ     0x380000
TABLE   equ     0x400000
STACK   equ     0xC000          ; this program's
LEVEL0  equ     0xD000          ; of exceptions in cases at privilege level 3
CONTROL equ     0x31            ; NE, ET, PE

PML4    equ     0x390000        ; maps 16 MiB to themselves for all
PAGING  equ     0x80000000
LME     equ     0x100
EFER    equ     0xC0000080

CODE32  equ     0x08
DATA32  equ     0x10
CODE16  equ     0x18
DATA16  equ     0x20
TSS     equ     0x28
TSS64   equ     0xB0
CODE64  equ     0xC0

; --- real mode: vectors ---------------------------------------------------------------------------

%assign v 0
%rep 256
        dw      0x4000 + 16 * v, 0
%assign v v + 1
%endrep

; --- start ----------------------------------------------------------------------------------------

        times   0x1000 - ($ - $$) db 0
        bits    16
start:
        cli
        mov     al, 0xFF
        out     0x21, al
        out     0xA1, al
        o32 lgdt [cs:gdtr]
        mov     eax, CONTROL
        mov     cr0, eax
        jmp     dword CODE32:begin

        bits    32
begin:
        call    flat
        cld
        mov     al, 0xCC
        mov     edi, ARENA
        mov     ecx, LENGTH
        rep stosb
        mov     edi, SHADOW
        mov     ecx, LENGTH
        rep stosb
        mov     dword [current], TABLE
        xor     eax, eax
        mov     edi, PML4
        mov     ecx, 0x3000 / 4
        rep stosd
        mov     dword [PML4], PML4 + 0x1000 + 7
        mov     dword [PML4 + 0x1000], PML4 + 0x2000 + 7
        mov     edi, PML4 + 0x2000
        mov     eax, 0x87
.map:
        mov     [edi], eax
        add     edi, 8
        add     eax, 0x200000
        cmp     eax, 0x1000000
        jb      .map

; Begins the next case.
next:
        mov     esi, [current]
        cmp     dword [esi], 0
        jne     .case
        mov     dx, 0x501
        xor     eax, eax
        out     dx, al
        jmp     $
.case:
        mov     ecx, [esi + 60]
        add     esi, 64
.patch:
        jecxz   .patched
        push    ecx
        mov     edi, [esi]
        mov     ecx, [esi + 4]
        add     esi, 8
        push    esi
        rep movsb
        pop     esi
        mov     edi, [esi - 8]
        add     edi, SHADOW - ARENA
        mov     ecx, [esi - 4]
        rep movsb
        add     esi, 3
        and     esi, ~3
        pop     ecx
        dec     ecx
        jmp     .patch
.patched:
        mov     esi, [current]
        mov     edi, head
        mov     ecx, 15
        rep movsd
        mov     edi, result
        mov     ecx, (result_end - result) / 4
        xor     eax, eax
        rep stosd
        mov     edi, LEVEL0 - 48
        mov     ecx, 12
        rep stosd
        cmp     dword [c_mode], 1
        je      virtual
        cmp     dword [c_mode], 2
        je      protected
        ja      entry64
        jmp     CODE16:real

; --- ways into cases ------------------------------------------------------------------------------

        bits    16
real:
        mov     ax, DATA16
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     ss, ax
        mov     eax, CONTROL & ~1
        mov     cr0, eax
        jmp     0:.real
.real:
        o32 lidt [cs:idtr16]
        xor     ax, ax
        mov     ss, ax
        mov     esp, STACK
        mov     es, [cs:c_es]
        mov     fs, [cs:c_fs]
        mov     gs, [cs:c_gs]
        mov     eax, [cs:c_eax]
        mov     ecx, [cs:c_ecx]
        mov     edx, [cs:c_edx]
        mov     ebx, [cs:c_ebx]
        mov     ebp, [cs:c_ebp]
        mov     esi, [cs:c_esi]
        mov     edi, [cs:c_edi]
        push    dword [cs:c_flags]
        popfd
        mov     ss, [cs:c_ss]
        mov     esp, [cs:c_esp]
        mov     ds, [cs:c_ds]
        jmp     dword far [cs:c_eip]

        bits    32
virtual:
        mov     esp, STACK
        movzx   eax, word [c_gs]
        push    eax
        movzx   eax, word [c_fs]
        push    eax
        movzx   eax, word [c_ds]
        push    eax
        movzx   eax, word [c_es]
        push    eax
        movzx   eax, word [c_ss]
        push    eax
        push    dword [c_esp]
        push    dword [c_flags]         ; VM is set
        movzx   eax, word [c_cs]
        push    eax
        push    dword [c_eip]
        jmp     load

protected:
        mov     esp, STACK
        test    byte [c_cs], 3
        jz      level0
        movzx   eax, word [c_ss]
        push    eax
        push    dword [c_esp]
        push    dword [c_flags]
        movzx   eax, word [c_cs]
        push    eax
        push    dword [c_eip]
        mov     es, [c_es]
        mov     fs, [c_fs]
        mov     gs, [c_gs]
        mov     ds, [c_ds]
load:
        mov     eax, [cs:c_eax]
        mov     ecx, [cs:c_ecx]
        mov     edx, [cs:c_edx]
        mov     ebx, [cs:c_ebx]
        mov     ebp, [cs:c_ebp]
        mov     esi, [cs:c_esi]
        mov     edi, [cs:c_edi]
        iretd
level0:
        mov     es, [c_es]
        mov     fs, [c_fs]
        mov     gs, [c_gs]
        mov     eax, [c_eax]
        mov     ecx, [c_ecx]
        mov     edx, [c_edx]
        mov     ebx, [c_ebx]
        mov     ebp, [c_ebp]
        mov     esi, [c_esi]
        mov     edi, [c_edi]
        push    dword [c_flags]
        popfd
        mov     ss, [cs:c_ss]
        mov     esp, [cs:c_esp]
        mov     ds, [cs:c_ds]
        jmp     far [cs:c_eip]

entry64:
        mov     esp, STACK
        mov     eax, 0x20               ; PAE
        mov     cr4, eax
        mov     eax, PML4
        mov     cr3, eax
        mov     ecx, EFER
        rdmsr
        or      eax, LME
        wrmsr
        mov     eax, CONTROL | PAGING
        mov     cr0, eax
        jmp     CODE64:.entered
        bits    64
        default abs
.entered:
        lidt    [idtr64]
        mov     eax, TSS64
        ltr     ax
        mov     es, [c_es]
        mov     fs, [c_fs]
        mov     gs, [c_gs]
        mov     ds, [c_ds]
        movzx   eax, word [c_ss]
        push    rax
        mov     eax, [c_esp]
        push    rax
        mov     eax, [c_flags]
        push    rax
        movzx   eax, word [c_cs]
        push    rax
        mov     eax, [c_eip]
        push    rax
        mov     ecx, [c_ecx]
        mov     edx, [c_edx]
        mov     ebx, [c_ebx]
        mov     ebp, [c_ebp]
        mov     esi, [c_esi]
        mov     edi, [c_edi]
        mov     eax, [c_eax]
        iretq

; --- ways out -------------------------------------------------------------------------------------

        bits    16
caught16:
        mov     [cs:r_eax], eax
        mov     [cs:r_ecx], ecx
        mov     [cs:r_edx], edx
        mov     [cs:r_ebx], ebx
        mov     [cs:r_esp], esp
        mov     [cs:r_ebp], ebp
        mov     [cs:r_esi], esi
        mov     [cs:r_edi], edi
        mov     [cs:r_ss], ss
        mov     [cs:r_ds], ds
        mov     [cs:r_es], es
        mov     [cs:r_fs], fs
        mov     [cs:r_gs], gs
        mov     ax, 0
        mov     ss, ax
        mov     esp, STACK
        pushfd
        pop     dword [cs:r_flags]
        mov     eax, cr0
        mov     [cs:r_cr0], eax
        o32 lgdt [cs:gdtr]
        mov     eax, CONTROL
        mov     cr0, eax
        jmp     dword CODE32:told

        bits    64
caught64:
        mov     [registers], rax
        mov     [registers + 8], rcx
        mov     [registers + 16], rdx
        mov     [registers + 24], rbx
        mov     [registers + 32], rsp
        mov     [registers + 40], rbp
        mov     [registers + 48], rsi
        mov     [registers + 56], rdi
        mov     [r_ss], ss
        mov     [r_ds], ds
        mov     [r_es], es
        mov     [r_fs], fs
        mov     [r_gs], gs
        mov     eax, DATA32
        mov     ss, eax
        mov     esp, STACK
        pushfq
        pop     rax
        mov     [r_flags], eax
        mov     rax, cr0
        mov     [r_cr0], eax
        xor     ecx, ecx
.split:
        mov     eax, [registers + 8 * rcx]
        mov     [r_eax + 4 * rcx], eax
        mov     eax, [registers + 8 * rcx + 4]
        mov     [r_high + 4 * rcx], eax
        inc     ecx
        cmp     ecx, 8
        jne     .split
        push    CODE32
        push    .leave
        o64 retf
        bits    32
.leave:
        mov     eax, CONTROL
        mov     cr0, eax
        mov     ecx, EFER
        rdmsr
        and     eax, ~LME
        wrmsr
        mov     eax, DATA32
        mov     ss, eax
        jmp     framed

caught32:
        mov     [ss:r_eax], eax
        mov     [ss:r_ecx], ecx
        mov     [ss:r_edx], edx
        mov     [ss:r_ebx], ebx
        mov     [ss:r_esp], esp
        mov     [ss:r_ebp], ebp
        mov     [ss:r_esi], esi
        mov     [ss:r_edi], edi
        mov     [ss:r_ss], ss
        mov     [ss:r_ds], ds
        mov     [ss:r_es], es
        mov     [ss:r_fs], fs
        mov     [ss:r_gs], gs
        mov     eax, DATA32
        mov     ss, eax
        mov     esp, STACK
        pushfd
        pop     dword [ss:r_flags]
        mov     eax, cr0
        mov     [ss:r_cr0], eax
        mov     eax, CONTROL
        mov     cr0, eax
framed:
        mov     ds, [ss:flats]
        mov     es, [ss:flats]
        cld
        mov     esi, LEVEL0 - 48
        mov     edi, r_frame
        mov     ecx, 12
        rep movsd

; Compares the arena with what it was, and tells.
told:
        call    flat
        cld
        mov     esi, ARENA
        mov     ebp, CHANGES
.compare:
%assign n 0
%rep 16
        mov     eax, [esi + n]
        cmp     eax, [esi + n + SHADOW - ARENA]
        jne     .differs
%assign n n + 4
%endrep
        add     esi, 64
        cmp     esi, ARENA + LENGTH
        jne     .compare
        jmp     .compared
; Looks at each doubleword of these 64 bytes.
.differs:
        mov     ecx, 16
.look:
        mov     eax, [esi]
        cmp     eax, [esi + SHADOW - ARENA]
        je      .same
        mov     [ebp], esi
        mov     [ebp + 4], eax
        add     ebp, 8
        inc     dword [r_changes]
.same:
        add     esi, 4
        dec     ecx
        jnz     .look
        cmp     esi, ARENA + LENGTH
        jne     .compare
.compared:
        mov     dx, 0xE9
        mov     esi, result
        mov     ecx, result_end - result
        rep outsb
        mov     esi, CHANGES
        mov     ecx, ebp
        sub     ecx, esi
        rep outsb
; Makes all INT3 again.
        mov     esi, CHANGES
        mov     eax, 0xCCCCCCCC
.clear:
        cmp     esi, ebp
        je      .cleared
        mov     edi, [esi]
        mov     [edi], eax
        mov     [edi + SHADOW - ARENA], eax
        add     esi, 8
        jmp     .clear
.cleared:
        mov     esi, [current]
        mov     edx, [esi + 60]
        add     esi, 64
.unpatch:
        test    edx, edx
        jz      .done
        mov     edi, [esi]
        mov     ecx, [esi + 4]
        rep stosb
        mov     edi, [esi]
        add     edi, SHADOW - ARENA
        mov     ecx, [esi + 4]
        rep stosb
        mov     ecx, [esi + 4]
        lea     esi, [esi + ecx + 8 + 3]
        and     esi, ~3
        dec     edx
        jmp     .unpatch
.done:
        mov     esi, [current]
        add     esi, [esi]
        mov     [current], esi
        jmp     next

; Flat segments, tables, task and control registers as they were.
flat:
        mov     eax, DATA32
        mov     ss, eax
        mov     ds, eax
        mov     es, eax
        mov     fs, eax
        mov     gs, eax
        pop     ebx
        mov     esp, STACK
        lgdt    [gdtr]
        lidt    [idtr32]
        xor     eax, eax
        lldt    ax
        mov     cr2, eax
        mov     cr3, eax
        mov     cr4, eax
        mov     dr0, eax
        mov     dr1, eax
        mov     dr2, eax
        mov     dr3, eax
        mov     eax, 0x400
        mov     dr7, eax
        mov     eax, 0xFFFF0FF0
        mov     dr6, eax
        mov     byte [gdt + TSS + 5], 0x89
        mov     byte [gdt + 0x50 + 5], 0x89
        mov     byte [gdt + TSS64 + 5], 0x89
        mov     byte [gdt + 0xE0 + 5], 0x89
        mov     byte [gdt + 0x98 + 5], 0x81
        mov     byte [gdt + 0x40 + 5], 0xF2
        mov     eax, TSS
        ltr     ax
        jmp     ebx

        align   4
flats:  dw      DATA32, 0
current: dd     0
gdtr:   dw      gdt_end - gdt - 1
        dd      gdt
idtr16: dw      0x3FF
        dd      0
idtr32: dw      0x7FF
        dd      idt32
idtr64: dw      0xFFF
        dq      idt64
        align   8
registers: times 8 dq 0

; --- what a case starts with, as it stands in the table -------------------------------------------

        align   4
head:   dd      0               ; bytes of the case
c_mode: dd      0               ; 0: real, 1: virtual-8086, 2: protected, 3: 64-bit
c_flags: dd     0
c_eip:  dd      0
c_cs:   dw      0
c_ss:   dw      0
c_ds:   dw      0
c_es:   dw      0
c_fs:   dw      0
c_gs:   dw      0
c_eax:  dd      0
c_ecx:  dd      0
c_edx:  dd      0
c_ebx:  dd      0
c_esp:  dd      0
c_ebp:  dd      0
c_esi:  dd      0
c_edi:  dd      0

; --- what came of it, as it is told ---------------------------------------------------------------

result:
r_vector: dd    0
r_flags: dd     0               ; of the handler
r_cr0:  dd      0
r_eax:  dd      0
r_ecx:  dd      0
r_edx:  dd      0
r_ebx:  dd      0
r_esp:  dd      0
r_ebp:  dd      0
r_esi:  dd      0
r_edi:  dd      0
r_ss:   dw      0
r_ds:   dw      0
r_es:   dw      0
r_fs:   dw      0
r_gs:   dw      0
        dw      0
r_frame: times 12 dd 0          ; the top of the stack of privilege level 0
r_high: times 8 dd 0           ; upper halves of registers
r_changes: dd   0
result_end:

; --- handlers -------------------------------------------------------------------------------------

        times   0x4000 - ($ - $$) db 0
        bits    16
%assign v 0
%rep 256
        mov     byte [cs:r_vector], v
        jmp     near caught16
        times   0x4010 + 16 * v - ($ - $$) db 0
%assign v v + 1
%endrep
        bits    32
%assign v 0
%rep 256
        mov     byte [ss:r_vector], v
        jmp     near caught32
        times   0x5010 + 16 * v - ($ - $$) db 0
%assign v v + 1
%endrep

        bits    64
%assign v 0
%rep 256
        mov     byte [r_vector], v
        jmp     near caught64
        times   0x6010 + 16 * v - ($ - $$) db 0
%assign v v + 1
%endrep

; --- tables ---------------------------------------------------------------------------------------

        times   0x7000 - ($ - $$) db 0
; Of the vectors from 32 on, every other one is there for level 3; of the others 3 and 4.
idt32:
%assign v 0
%rep 256
%if v == 3 || v == 4 || (v >= 32 && v % 2 == 0)
        dw      0x5000 + 16 * v, CODE32, 0xEE00, 0
%else
        dw      0x5000 + 16 * v, CODE32, 0x8E00, 0
%endif
%assign v v + 1
%endrep
gdt:    dq      0
        dq      0x00CF9B000000FFFF      ; 08: code
        dq      0x00CF93000000FFFF      ; 10: data
        dq      0x00009B000000FFFF      ; 18: 16-bit code
        dq      0x000093000000FFFF      ; 20: 16-bit data
        dw      0x187, tss, 0x8900, 0   ; 28: TSS
        dq      0x00CFFB000000FFFF      ; 30: code of level 3
        dq      0x00CFF3000000FFFF      ; 38: data of level 3
        dq      0x0000F2010000FFFF      ; 40: 16-bit data of level 3 at 10000h, not accessed
        dw      0x1F, ldt, 0x8200, 0    ; 48: LDT
        dw      0x67, tss2, 0x8900, 0   ; 50: another TSS
        dq      0x00CF73000000FFFF      ; 58: absent data
        dq      0x00CFF1000000FFFF      ; 60: read-only data of level 3
        dq      0x00CF9F000000FFFF      ; 68: conforming code
        dq      0x00CFF90000000FFF      ; 70: execute-only code of level 3
        dq      0x0040F60100001FFF      ; 78: expand-down data of level 3
        dw      0, CODE32, 0xEC00, 1    ; 80: call gate
        dw      0, TSS, 0xE500, 0       ; 88: task gate
        dw      0x67, tss2, 0x0900, 0   ; 90: absent TSS
        dw      0x2B, tss2, 0x8100, 0   ; 98: 16-bit TSS
        dq      0x000012345678FFFF      ; A0: a type that there is not
        dq      0x0001DB010000FFFF      ; A8: code of level 2
        dw      0x187, tss64, 0x8900, 0 ; B0: TSS of 64-bit mode
        dq      0
        dq      0x00AF9B000000FFFF      ; C0: 64-bit code
        dq      0x00AFFB000000FFFF      ; C8: 64-bit code of level 3
        dw      0x1F, ldt, 0x8200, 0    ; D0: LDT of 64-bit mode
        dq      0
        dw      0x67, tss2, 0x8900, 0   ; E0: another TSS of 64-bit mode
        dq      0
gdt_end:
ldt:    dq      0x00CFF3000000FFFF
        dq      0x00CF93000000FFFF
        dq      0x0040F30100000FFF
        dq      0

        times   0x8000 - ($ - $$) db 0
tss:    dd      0, LEVEL0, DATA32
        times   0x66 - ($ - tss) db 0
        dw      0x88
; Vectors that virtual-8086 mode takes itself are for CR4.VME, which is off.
        times   0x88 - ($ - tss) db 0
; Ports up to 7FFh by the bitmap: of each sixteen the lower eight may be used.
        times   0x80 db 0x00, 0xFF
        db      0xFF
tss2:   times   0x68 db 0
tss64:  dd      0
        dq      LEVEL0
        times   0x66 - ($ - tss64) db 0
        dw      0x88
        times   0x88 - ($ - tss64) db 0
        times   0x80 db 0x00, 0xFF
        db      0xFF
        times   0x9000 - ($ - $$) db 0
idt64:
%assign v 0
%rep 256
%if v == 3 || v == 4 || (v >= 32 && v % 2 == 0)
        dw      0x6000 + 16 * v, CODE64, 0xEE00, 0
%else
        dw      0x6000 + 16 * v, CODE64, 0x8E00, 0
%endif
        dq      0
%assign v v + 1
%endrep
