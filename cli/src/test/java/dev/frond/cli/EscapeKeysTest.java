// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

class EscapeKeysTest {
    private final ByteArrayOutputStream guest = new ByteArrayOutputStream();
    private final List<EscapeKeys.Command> frond = new ArrayList<>();
    private final EscapeKeys keys = new EscapeKeys(guest::write, frond::add);

    @Test
    void ordinaryKeysGoToTheGuestCtrlCAndCtrlZToo() {
        type("ls\r\003\032\0\377");
        assertThat(guest.toByteArray())
                .isEqualTo("ls\r\003\032\0\377".getBytes(StandardCharsets.ISO_8859_1));
        assertThat(frond).isEmpty();
    }

    @Test
    void ctrlAAndALetterGoToFrond() {
        type("a\001xb\001h\001?\001s\001X");
        assertThat(guest.toString(StandardCharsets.ISO_8859_1)).isEqualTo("ab");
        assertThat(frond)
                .containsExactly(
                        EscapeKeys.Command.QUIT,
                        EscapeKeys.Command.HELP,
                        EscapeKeys.Command.HELP,
                        EscapeKeys.Command.STATS,
                        EscapeKeys.Command.QUIT);
    }

    @Test
    void ctrlATwiceSendsItOnce() {
        type("\001\001x");
        assertThat(guest.toString(StandardCharsets.ISO_8859_1)).isEqualTo("\001x");
        assertThat(frond).isEmpty();
    }

    @Test
    void aKeyWithoutAMeaningIsNotLost() {
        type("\001k\001\r");
        assertThat(guest.toString(StandardCharsets.ISO_8859_1)).isEqualTo("\001k\001\r");
    }

    @Test
    void theHelpNamesEveryKey() {
        assertThat(EscapeKeys.HELP).contains("Ctrl-A h", "Ctrl-A x", "Ctrl-A s", "Ctrl-A Ctrl-A");
    }

    private void type(String text) {
        for (byte b : text.getBytes(StandardCharsets.ISO_8859_1)) {
            keys.accept(Byte.toUnsignedInt(b));
        }
    }
}
