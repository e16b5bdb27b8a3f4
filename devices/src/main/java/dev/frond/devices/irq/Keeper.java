// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.vcpu.EngineChips;
import dev.frond.machine.vcpu.EngineKept;

import org.jspecify.annotations.Nullable;

import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/** Which engine keeps the registers of a chip, if one does, and their way there and back. */
public final class Keeper implements EngineKept {
    private final ReentrantLock lock;
    private final Consumer<EngineChips> take;
    private final Runnable settle;
    private volatile @Nullable EngineChips engine;

    /** Who kept them before; they go back there if the one who does now gives up. */
    private @Nullable EngineChips engineBefore;

    /**
     * The keeper of a chip that keeps its registers itself.
     *
     * @param lock the chip's
     * @param take makes the registers in the chip those that the engine has
     * @param settle gives the engine those that are in the chip if one keeps them, else goes on
     *     with them
     */
    public Keeper(ReentrantLock lock, Consumer<EngineChips> take, Runnable settle) {
        this.lock = lock;
        this.take = take;
        this.settle = settle;
    }

    /** Who keeps the registers; empty if the chip does. */
    public Optional<EngineChips> engine() {
        return Optional.ofNullable(engine);
    }

    /** Makes the registers in the chip those that an engine has, if one keeps them. */
    public void fetch() {
        engine().ifPresent(take);
    }

    @Override
    public void entrust(EngineChips keeper) {
        lock.lock();
        try {
            fetch();
            EngineChips before = engine;
            engine = keeper;
            try {
                settle.run();
            } catch (RuntimeException e) {
                // They stay where they were.
                engine = before;
                settle.run();
                throw e;
            }
            engineBefore = before;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void withdraw(EngineChips keeper) {
        lock.lock();
        try {
            if (keeper.equals(engine)) {
                fetch();
                engine = engineBefore;
                engineBefore = null;
                settle.run();
            } else if (keeper.equals(engineBefore)) {
                engineBefore = null;
            }
        } finally {
            lock.unlock();
        }
    }
}
