// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import java.util.Random;

class StateCodecTest {
    public enum Mode {
        IDLE,
        BUSY
    }

    public sealed interface Phase {}

    public record Waiting(long until) implements Phase {}

    public record Sending(int left, Bytes data) implements Phase {}

    public record Channel(int divider, boolean gate) {
        public static final Channel RESET = new Channel(7, true);

        public Channel {
            if (divider < 0 || divider > 0xFFFF) {
                throw new IllegalArgumentException(
                        "divider " + divider + ": accepted are 0..65535");
            }
        }
    }

    public record Everything(
            boolean on,
            byte b,
            short s,
            char c,
            int i,
            long l,
            float f,
            double d,
            Mode mode,
            String text,
            Bytes bytes,
            Longs longs,
            List<Integer> numbers,
            List<Channel> channels,
            List<? extends Phase> phases,
            List<List<String>> names,
            Channel channel,
            Phase phase) {
        static final Everything RESET =
                new Everything(
                        false,
                        (byte) 1,
                        (short) 2,
                        'c',
                        4,
                        5,
                        6,
                        7,
                        Mode.IDLE,
                        "none",
                        Bytes.EMPTY,
                        Longs.of(),
                        List.of(),
                        List.of(),
                        List.of(),
                        List.of(),
                        new Channel(3, false),
                        new Waiting(9));
    }

    private static final Everything FULL =
            new Everything(
                    true,
                    (byte) -1,
                    Short.MIN_VALUE,
                    '\uFFFF',
                    Integer.MIN_VALUE,
                    Long.MIN_VALUE,
                    Float.NaN,
                    -0.0,
                    Mode.BUSY,
                    "naïve \uD83D\uDE00",
                    Bytes.of((byte) 1, (byte) 2),
                    Longs.of(1, -1),
                    List.of(1, 2, 3),
                    List.of(new Channel(1, true), new Channel(2, false)),
                    List.of(new Waiting(1), new Sending(2, Bytes.zeros(3))),
                    List.of(List.of("a", "b"), List.of()),
                    new Channel(0xFFFF, true),
                    new Sending(1, Bytes.EMPTY));

    @Test
    void everyKindOfComponentComesBack() throws StateException {
        assertThat(StateCodec.decode(StateCodec.encode(FULL), Everything.RESET)).isEqualTo(FULL);
        assertThat(StateCodec.decode(StateCodec.encode(Everything.RESET), FULL))
                .isEqualTo(Everything.RESET);
    }

    // What an older and a newer release would have written

    public record Old(int kept, Channel channel) {}

    @Test
    void aComponentMissingInTheStreamTakesTheResetValue() throws Exception {
        byte[] stream =
                record(
                        "StateCodecTest.Everything",
                        1,
                        out -> {
                            text(out, "i");
                            out.writeByte('I');
                            out.writeInt(42);
                        });
        Everything state = StateCodec.decode(stream, Everything.RESET);
        assertThat(state.i()).isEqualTo(42);
        assertThat(state.text()).isEqualTo("none");
        assertThat(state.channel()).isEqualTo(new Channel(3, false));
    }

    @Test
    void aComponentMissingInANestedRecordTakesTheNestedResetValue() throws Exception {
        byte[] stream =
                record(
                        "StateCodecTest.Everything",
                        2,
                        out -> {
                            text(out, "channel");
                            out.write(
                                    record(
                                            "StateCodecTest.Channel",
                                            1,
                                            inner -> {
                                                text(inner, "gate");
                                                inner.writeByte('Z');
                                                inner.writeByte(1);
                                            }));
                            text(out, "channels");
                            out.writeByte('[');
                            out.writeInt(1);
                            out.write(record("StateCodecTest.Channel", 0, _ -> {}));
                        });
        Everything state = StateCodec.decode(stream, Everything.RESET);
        assertThat(state.channel()).isEqualTo(new Channel(3, true));
        assertThat(state.channels()).containsExactly(Channel.RESET);
    }

    @Test
    void aMissingComponentWithoutDefaultIsRefused() throws Exception {
        byte[] stream =
                record(
                        "StateCodecTest.Everything",
                        1,
                        out -> {
                            text(out, "phases");
                            out.writeByte('[');
                            out.writeInt(1);
                            out.write(record("StateCodecTest.Waiting", 0, _ -> {}));
                        });
        assertRefused(
                stream,
                "StateCodecTest.Everything.phases[0]: component until is missing and has no"
                        + " default");
    }

    @Test
    void anUnknownComponentIsRefused() throws Exception {
        byte[] stream =
                record(
                        "StateCodecTest.Everything",
                        1,
                        out -> {
                            text(out, "turbo");
                            out.writeByte('Z');
                            out.writeByte(1);
                        });
        assertRefused(stream, "StateCodecTest.Everything: has no component 'turbo'");
    }

    @Test
    void aComponentThatAppearsTwiceIsRefused() throws Exception {
        byte[] stream =
                record(
                        "StateCodecTest.Everything",
                        2,
                        out -> {
                            for (int i = 0; i < 2; i++) {
                                text(out, "i");
                                out.writeByte('I');
                                out.writeInt(i);
                            }
                        });
        assertRefused(stream, "StateCodecTest.Everything.i: appears twice");
    }

    @Test
    void theStateOfAnotherDeviceIsRefused() {
        assertRefused(
                StateCodec.encode(new Old(1, Channel.RESET)),
                "StateCodecTest.Everything: a 'StateCodecTest.Old' stands where a"
                        + " StateCodecTest.Everything is expected");
    }

    @Test
    void aValueThatTheRecordRefusesIsRefusedInItsWords() throws Exception {
        byte[] stream =
                record(
                        "StateCodecTest.Everything",
                        1,
                        out -> {
                            text(out, "channel");
                            out.write(
                                    record(
                                            "StateCodecTest.Channel",
                                            1,
                                            inner -> {
                                                text(inner, "divider");
                                                inner.writeByte('I');
                                                inner.writeInt(65536);
                                            }));
                        });
        assertRefused(
                stream, "StateCodecTest.Everything.channel: divider 65536: accepted are 0..65535");
    }

    @Test
    void aValueOfAnotherTypeIsRefused() throws Exception {
        byte[] stream =
                record(
                        "StateCodecTest.Everything",
                        1,
                        out -> {
                            text(out, "i");
                            out.writeByte('J');
                            out.writeLong(1);
                        });
        assertRefused(stream, "StateCodecTest.Everything.i: a long stands where a int is expected");
    }

    @Test
    void anUnknownTagEnumConstantOrBooleanIsRefused() throws Exception {
        assertRefused(
                record(
                        "StateCodecTest.Everything",
                        1,
                        out -> {
                            text(out, "i");
                            out.writeByte(0xEE);
                        }),
                "StateCodecTest.Everything.i: the unknown tag 0xee stands where a int is expected");
        assertRefused(
                record(
                        "StateCodecTest.Everything",
                        1,
                        out -> {
                            text(out, "mode");
                            out.writeByte('E');
                            text(out, "LA\u0007ZY");
                        }),
                "StateCodecTest.Everything.mode: no StateCodecTest.Mode is called 'LA?ZY'");
        assertRefused(
                record(
                        "StateCodecTest.Everything",
                        1,
                        out -> {
                            text(out, "on");
                            out.writeByte('Z');
                            out.writeByte(2);
                        }),
                "StateCodecTest.Everything.on: a boolean of 2, accepted are 0 and 1");
    }

    @Test
    void aLengthBeyondTheStreamIsRefusedBeforeAnythingIsAllocated() throws Exception {
        for (char tag : new char[] {'T', 'Y', 'L', '['}) {
            String component =
                    switch (tag) {
                        case 'T' -> "text";
                        case 'Y' -> "bytes";
                        case 'L' -> "longs";
                        default -> "numbers";
                    };
            byte[] stream =
                    record(
                            "StateCodecTest.Everything",
                            1,
                            out -> {
                                text(out, component);
                                out.writeByte(tag);
                                out.writeInt(0xFFFF_FFFF);
                                out.writeInt(0);
                            });
            assertRefused(
                    stream,
                    "StateCodecTest.Everything."
                            + component
                            + ": a length of 4294967295 with 4 bytes left in the stream");
        }
    }

    public record Onion(List<Onion> layers) {}

    @Test
    void endlessNestingIsRefused() throws Exception {
        byte[] stream = record("StateCodecTest.Onion", 0, _ -> {});
        for (int i = 0; i < 10_000; i++) {
            byte[] inner = stream;
            stream =
                    record(
                            "StateCodecTest.Onion",
                            1,
                            out -> {
                                text(out, "layers");
                                out.writeByte('[');
                                out.writeInt(1);
                                out.write(inner);
                            });
            if (stream.length > 1 << 16) {
                break;
            }
        }
        byte[] onion = stream;
        assertThatThrownBy(() -> StateCodec.decode(onion, new Onion(List.of())))
                .isInstanceOf(StateException.class)
                .hasMessageEndingWith("nested deeper than 32 records");
    }

    @Test
    void bytesAfterTheStateAreRefused() {
        byte[] stream = StateCodec.encode(FULL);
        assertRefused(
                java.util.Arrays.copyOf(stream, stream.length + 3),
                "StateCodecTest.Everything: 3 more bytes follow the state");
    }

    @Test
    void everyTruncationIsRefused() {
        byte[] stream = StateCodec.encode(FULL);
        for (int length = 0; length < stream.length; length++) {
            byte[] cut = java.util.Arrays.copyOf(stream, length);
            assertThatThrownBy(() -> StateCodec.decode(cut, Everything.RESET))
                    .as("cut to %d bytes", length)
                    .isInstanceOf(StateException.class)
                    .hasMessageStartingWith("StateCodecTest.Everything");
        }
    }

    @Test
    void randomDamageGivesAValidStateOrARefusal() {
        byte[] stream = StateCodec.encode(FULL);
        Random random = new Random(1);
        int refused = 0;
        for (int round = 0; round < 50_000; round++) {
            byte[] damaged = stream.clone();
            for (int flips = 1 + random.nextInt(4); flips > 0; flips--) {
                damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
            }
            try {
                Everything state = StateCodec.decode(damaged, Everything.RESET);
                assertThat(state.channels()).allMatch(c -> c.divider() <= 0xFFFF);
            } catch (StateException e) {
                refused++;
                assertThat(e).hasMessageStartingWith("StateCodecTest.Everything");
            }
        }
        assertThat(refused).isPositive();
    }

    @Test
    void pureNoiseIsRefused() {
        Random random = new Random(2);
        for (int round = 0; round < 10_000; round++) {
            byte[] noise = new byte[random.nextInt(200)];
            random.nextBytes(noise);
            assertThatThrownBy(() -> StateCodec.decode(noise, Everything.RESET))
                    .isInstanceOf(StateException.class);
        }
    }

    // What a developer may get wrong

    public record WithObject(Object thing) {}

    public record WithNulls(List<String> names) {}

    @Test
    void aRecordThatIsNoStateIsTheProgrammersMistake() {
        assertThatThrownBy(() -> StateCodec.encode(new WithObject(new int[1])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("StateCodecTest.WithObject.thing: a [I cannot be part of a state");
        assertThatThrownBy(() -> StateCodec.encode(new WithNulls(Collections.singletonList(null))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("StateCodecTest.WithNulls.names[0]: is null, which no state may be");
        assertThatThrownBy(() -> StateCodec.encode(new WithNulls(List.of("\uD800"))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("StateCodecTest.WithNulls.names[0]: holds half a surrogate pair");
        byte[] stream = StateCodec.encode(new WithObject("text"));
        assertThatThrownBy(() -> StateCodec.decode(stream, new WithObject("reset")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "StateCodecTest.WithObject.thing: a java.lang.Object cannot be part of a"
                                + " state");
    }

    // Streams by hand

    private interface Body {
        void write(DataOutputStream out) throws IOException;
    }

    private static byte[] record(String type, int components, Body body) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeByte('{');
        text(out, type);
        out.writeShort(components);
        body.write(out);
        return bytes.toByteArray();
    }

    private static void text(DataOutputStream out, String text) throws IOException {
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        out.writeInt(encoded.length);
        out.write(encoded);
    }

    private static void assertRefused(byte[] stream, String message) {
        assertThatThrownBy(() -> StateCodec.decode(stream, Everything.RESET))
                .isInstanceOf(StateException.class)
                .hasMessage(message);
    }
}
