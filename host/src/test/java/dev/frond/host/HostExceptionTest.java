// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

import java.util.HashSet;
import java.util.Set;

final class HostExceptionTest {
    @Test
    void theMessageNamesOperationThingAndReason() {
        HostException exception = new HostException("open", "/no/such", 2);
        assertThat(exception).hasMessage("open of /no/such: ENOENT (No such file or directory)");
        assertThat(exception.operation()).isEqualTo("open");
        assertThat(exception.subject()).isEqualTo("/no/such");
        assertThat(exception.errno()).isEqualTo(Errno.ENOENT);
        assertThat(exception.errnoNumber()).isEqualTo(2);
    }

    @Test
    void anUnknownNumberIsShownAsItIs() {
        HostException exception = new HostException("open", "", 4000);
        assertThat(exception).hasMessage("open: errno 4000");
        assertThat(exception.errno()).isEqualTo(Errno.UNKNOWN);
        assertThat(exception.errnoNumber()).isEqualTo(4000);
    }

    @Test
    void everyErrnoIsFoundByItsNumber() {
        Set<Integer> numbers = new HashSet<>();
        for (Errno errno : Errno.values()) {
            assertThat(Errno.of(errno.number())).isEqualTo(errno);
            assertThat(numbers.add(errno.number())).as(errno.name()).isTrue();
        }
        assertThat(Errno.of(-1)).isEqualTo(Errno.UNKNOWN);
        assertThat(Errno.of(41)).isEqualTo(Errno.UNKNOWN);
    }

    @Test
    void theErrnoOfAFailedCallIsTheOneThatTheHostGave() {
        assertThatThrownBy(() -> Mapping.closeFile(-1))
                .isInstanceOf(HostException.class)
                .hasMessage("close of file descriptor -1: EBADF (Bad file descriptor)");
    }

    @Test
    void sizesAreDescribedInTheUnitThatFits() {
        assertThat(Mapping.describe(4096)).isEqualTo("4096 bytes (4 KiB)");
        assertThat(Mapping.describe(100)).isEqualTo("100 bytes");
        assertThat(Mapping.describe(300L << 30)).isEqualTo("322122547200 bytes (300 GiB)");
        assertThat(Mapping.describe((1L << 30) + 4096)).isEqualTo("1073745920 bytes (1048580 KiB)");
    }
}
