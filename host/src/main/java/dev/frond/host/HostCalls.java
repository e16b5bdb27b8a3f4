// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** {@link KernelCalls} by the C library's functions. */
final class HostCalls implements KernelCalls {
    private static final int O_RDWR = 2;
    private static final int O_CLOEXEC = 0x80000;

    @Override
    public int open(Path path) {
        try (Arena arena = Arena.ofConfined()) {
            long text = arena.allocateFrom(path.toString()).address();
            int fd;
            do {
                fd = Libc.OPEN.callInt(text, O_RDWR | O_CLOEXEC, 0);
            } while (fd == -Errno.EINTR.number());
            return fd;
        }
    }

    @Override
    public int ioctl(int fd, long command, long argument) {
        return Libc.IOCTL.callInt(fd, command, argument);
    }

    @Override
    public ControlFile.Repeated repeated(int fd, long command, long argument, Arena arena) {
        return new HostRepeated(fd, command, argument, Libc.newErrno(arena));
    }

    @Override
    @SuppressWarnings("restricted") // Address and size are those of the mapping made here.
    public MemorySegment map(int fd, long offset, long size, Arena arena) {
        int protection = Mapping.PROT_READ | Mapping.PROT_WRITE;
        long address = Mapping.map(0, size, protection, Mapping.MAP_SHARED, fd, offset);
        return MemorySegment.ofAddress(address)
                .reinterpret(size, arena, _ -> Mapping.unmap(address, size));
    }

    @Override
    public void close(int fd) {
        Mapping.closeFile(fd);
    }

    private record HostRepeated(int fd, long command, long argument, MemorySegment errno)
            implements ControlFile.Repeated {
        @Override
        public int call() {
            return Libc.IOCTL.callInt(errno, fd, command, argument, 0, 0, 0);
        }
    }
}
