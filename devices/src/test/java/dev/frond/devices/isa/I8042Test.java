// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.memory.IoHandler;
import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingControl;
import dev.frond.testkit.RecordingLine;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;

class I8042Test extends DeviceContract<I8042.State> {
    private static final int OBF = 0x01;
    private static final int SYS = 0x04;
    private static final int CMD = 0x08;
    private static final int UNLOCKED = 0x10;
    private static final int AUX = 0x20;

    private final RecordingLine keyboard = new RecordingLine();
    private final RecordingLine aux = new RecordingLine();
    private final RecordingControl machine = new RecordingControl();
    private final I8042 controller = new I8042(keyboard, aux, machine);
    private final IoHandler data = controller.data().handler();
    private final IoHandler command = controller.command().handler();

    @Override
    protected Rig<I8042.State> newRig() {
        RecordingLine irq1 = new RecordingLine();
        RecordingLine irq12 = new RecordingLine();
        RecordingControl control = new RecordingControl();
        I8042 device = new I8042(irq1, irq12, control);
        return new Rig<>(device, new ManualClock(), irq1, irq12, control)
                .region(device.data())
                .region(device.command())
                .favourites(
                        0x20, 0x60, 0x03, 0x47, 0xA7, 0xA8, 0xA9, 0xAA, 0xAB, 0xAD, 0xAE, 0xC0,
                        0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xFE);
    }

    private int status() {
        return (int) command.read(0, 1);
    }

    private void command(int value) {
        command.write(0, 1, value);
    }

    private void command(int value, int parameter) {
        command(value);
        data.write(0, 1, parameter);
    }

    private int answer() {
        assertThat(status() & (OBF | AUX)).as("the controller answers").isEqualTo(OBF);
        return read();
    }

    private int auxAnswer() {
        assertThat(status() & (OBF | AUX)).as("the mouse answers").isEqualTo(OBF | AUX);
        return read();
    }

    private int read() {
        return (int) data.read(0, 1);
    }

    private int commandByte() {
        command(0x20);
        return answer();
    }

    // Ports

    @Test
    void afterPowerOnItIsEmptyAndUnlocked() {
        assertThat(status()).isEqualTo(UNLOCKED);
        assertThat(read()).isZero();
        assertThat(commandByte()).as("both devices disabled, no interrupts").isEqualTo(0x30);
    }

    @Test
    void statusTellsWhichPortWasWrittenLast() {
        command(0xAE);
        assertThat(status() & CMD).isEqualTo(CMD);
        data.write(0, 1, 0xED);
        assertThat(status() & CMD).isZero();
    }

    @Test
    void aByteIsReadOnceAndStaysInTheBuffer() {
        command(0xD2, 0x1C);
        assertThat(answer()).isEqualTo(0x1C);
        assertThat(status() & OBF).isZero();
        assertThat(read()).isEqualTo(0x1C);
    }

    @Test
    void anUnreadByteGivesWayToTheNextAnswer() {
        command(0xD3, 0x77);
        command(0xAA);
        assertThat(answer()).isEqualTo(0x55);
        assertThat(status() & OBF).isZero();
    }

    // Commands

    @Test
    void theCommandByteKeepsWhatIsWritten() {
        command(0x60, 0x47);
        assertThat(commandByte()).isEqualTo(0x47);
        assertThat(status() & SYS).isEqualTo(SYS);
        command(0x60, 0x80);
        assertThat(commandByte()).as("bit 7 is reserved").isZero();
        assertThat(status() & SYS).isZero();
    }

    @Test
    void theSelfTestPassesAndSetsSys() {
        command(0x60, 0x43);
        command(0xAA);
        assertThat(status() & SYS).isEqualTo(SYS);
        assertThat(answer()).isEqualTo(0x55);
        assertThat(commandByte()).isEqualTo(0x34);
    }

    @Test
    void bothInterfaceTestsPass() {
        command(0xA9);
        assertThat(answer()).isZero();
        command(0xAB);
        assertThat(answer()).isZero();
    }

    @Test
    void theDevicesAreDisabledAndEnabledInTheCommandByte() {
        command(0x60, 0x00);
        command(0xA7);
        assertThat(commandByte()).isEqualTo(0x20);
        command(0xAD);
        assertThat(commandByte()).isEqualTo(0x30);
        command(0xA8);
        assertThat(commandByte()).isEqualTo(0x10);
        command(0xAE);
        assertThat(commandByte()).isZero();
    }

    @Test
    void theInputPortShowsAnOpenKeylock() {
        command(0xC0);
        assertThat(answer() & 0x80).isEqualTo(0x80);
    }

    @Test
    void theOutputPortKeepsA20AndShowsTheInterruptPins() {
        command(0xD0);
        assertThat(answer()).isEqualTo(0xCF);
        command(0xD1, 0xDD);
        assertThat(machine.events()).isEmpty();
        command(0x60, 0x01);
        command(0xD2, 0x00);
        command(0xD0);
        assertThat(answer()).as("A20 off, IRQ1 active").isEqualTo(0xDD);
        command(0xD0);
        command(0xD1, 0xDF);
        assertThat(controller.save().outputPort() & 0x02).isEqualTo(0x02);
    }

    @Test
    void aNewCommandTakesThePlaceOfOneThatAwaitsData() {
        command(0x60);
        command(0xAE);
        data.write(0, 1, 0x03);
        assertThat(commandByte()).as("03h went to the keyboard").isEqualTo(0x20);
    }

    @Test
    void unknownCommandsDoNothing() {
        for (int value : new int[] {0x00, 0x59, 0x90, 0xA0, 0xC8, 0xDA, 0xE5, 0xFF}) {
            command(value);
            assertThat(status()).as("command %x", value).isEqualTo(UNLOCKED | CMD);
        }
        assertThat(machine.events()).isEmpty();
        assertThat(commandByte()).isEqualTo(0x30);
    }

    // Reset

    @Test
    void linuxResetsTheMachineByPulsingTheResetLine() {
        // reboot=k: native_machine_emergency_restart
        assertThat(status() & 0x02).isZero();
        command(0xFE);
        assertThat(machine.events()).containsExactly("reset");
    }

    @Test
    void onlyAPulseOfBit0Resets() {
        command(0xFD);
        command(0xF1);
        assertThat(machine.events()).isEmpty();
        command(0xF0);
        assertThat(machine.events()).containsExactly("reset");
    }

    @Test
    void theOutputPortsBit0Resets() {
        command(0xD1, 0xFE);
        assertThat(machine.events()).containsExactly("reset");
        controller.reset();
        command(0xD0);
        assertThat(answer() & 0x01).isEqualTo(1);
    }

    // Interrupts

    @Test
    void theKeyboardsInterruptLastsUntilTheByteIsRead() {
        command(0xD2, 0x1C);
        assertThat(keyboard.isActive()).as("not enabled").isFalse();
        command(0x60, 0x01);
        assertThat(keyboard.isActive()).isTrue();
        assertThat(aux.isActive()).isFalse();
        read();
        assertThat(keyboard.isActive()).isFalse();
    }

    @Test
    void theAuxiliaryInterruptLastsUntilTheByteIsRead() {
        command(0x60, 0x03);
        command(0xD3, 0xA5);
        assertThat(aux.isActive()).isTrue();
        assertThat(keyboard.isActive()).isFalse();
        assertThat(auxAnswer()).isEqualTo(0xA5);
        assertThat(aux.isActive()).isFalse();
        assertThat(aux.rises()).isEqualTo(1);
    }

    @Test
    void aPendingInterruptIsDrivenAfterARestore() {
        command(0x60, 0x02);
        command(0xD3, 0xA5);
        I8042.State state = controller.save();
        controller.reset();
        assertThat(aux.isActive()).isFalse();
        controller.load(state);
        assertThat(aux.isActive()).isFalse();
        controller.settle();
        assertThat(aux.isActive()).isTrue();
        assertThat(auxAnswer()).isEqualTo(0xA5);
    }

    // Nothing is plugged in

    @Test
    void noDeviceAnswers() {
        command(0x60, 0x33);
        data.write(0, 1, 0xF2);
        assertThat(status() & OBF).isZero();
        command(0xD4, 0xF2);
        assertThat(status() & OBF).isZero();
        assertThat(keyboard.rises()).isZero();
        assertThat(aux.rises()).isZero();
        assertThat(commandByte()).as("sending enabled both").isEqualTo(0x03);
    }

    @Test
    void linuxFindsAControllerWithBothPorts() {
        // drivers/input/serio/i8042.c: i8042_controller_check, i8042_controller_init
        assertThat(status() & OBF).isZero();
        int initial = commandByte();
        assertThat(commandByte()).as("a stable command byte").isEqualTo(initial);
        assertThat(status() & UNLOCKED).as("else it warns of the keylock").isNotZero();
        int ctr = (initial | 0x10) & ~0x01;
        command(0x60, ctr);
        // i8042_check_aux
        command(0xD3, 0x5A);
        assertThat(auxAnswer()).isEqualTo(0x5A);
        command(0xA7);
        assertThat(commandByte() & 0x20).isEqualTo(0x20);
        command(0xA8);
        assertThat(commandByte() & 0x20).isZero();
        ctr = (ctr & ~0x20) | 0x02;
        command(0x60, ctr);
        command(0xD3, 0xA5);
        assertThat(aux.isActive()).isTrue();
        assertThat(auxAnswer()).isEqualTo(0xA5);
        command(0x60, (ctr | 0x20) & ~0x02);
        // i8042_check_mux: the last answer would be a version if it multiplexed
        for (int value : new int[] {0xF0, 0x56, 0xA4}) {
            command(0xD3, value);
            assertThat(auxAnswer()).isEqualTo(value);
        }
        // i8042_setup_kbd
        command(0x60, (ctr | 0x01) & ~0x10);
        assertThat(status() & OBF).isZero();
        assertThat(keyboard.rises()).as("nothing that nobody handles").isZero();
        assertThat(aux.rises()).isEqualTo(1);
    }

    // State

    @Test
    void aStateThatNoControllerCanHaveIsRefused() {
        assertThatThrownBy(() -> new I8042.State(0x80, 0, 0, false, false, false, 0))
                .hasMessage("commandByte 80h: accepted are the bits in 7Fh");
        assertThatThrownBy(() -> new I8042.State(0, 0, 0, false, true, false, 0))
                .hasMessage("fromAux true: accepted only while the output buffer is full");
        assertThatThrownBy(() -> new I8042.State(0, 0, 0, false, false, false, 0xAA))
                .hasMessage("awaiting AAh: accepted are 0, 60h, D1h, D2h, D3h and D4h");
    }
}
