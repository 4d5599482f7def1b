//! Handles: the numbers that clients hold for objects.
//!
//! Model. A handle looks like a pointer but leads nowhere: it holds the kind of object, a slot number and how often the
//! slot was used before. So a handle that was destroyed, is of another kind or is garbage is told apart from a live one without
//! touching memory.

use crate::status::{Result, Status};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Kinds of objects; part of every handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Context = 1,
    Module,
    Function,
    Library,
    Stream,
    Event,
    Link,
    Pool,
    Physical,
    Graph,
    Node,
    GraphExec,
    UserObject,
}

const MARK: u64 = 1 << 46;
const KIND_SHIFT: u32 = 40;
const TURN_SHIFT: u32 = 24;
const SLOT_SHIFT: u32 = 4;
const MAX_SLOTS: usize = 1 << 20;

struct Slot<T> {
    turn: u16,
    object: Option<Arc<T>>,
}

struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
}

/// The live objects of one kind.
pub(crate) struct Table<T> {
    kind: Kind,
    slots: RwLock<Slots<T>>,
}

impl<T> Table<T> {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self { kind, slots: RwLock::new(Slots { slots: Vec::new(), free: Vec::new() }) }
    }

    fn read(&self) -> RwLockReadGuard<'_, Slots<T>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots<T>> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn encode(&self, slot: usize, turn: u16) -> u64 {
        MARK | (self.kind as u64) << KIND_SHIFT | u64::from(turn) << TURN_SHIFT | (slot as u64) << SLOT_SHIFT
    }

    fn decode(&self, handle: u64) -> Option<(usize, u16)> {
        let slot = (handle >> SLOT_SHIFT) as usize & (MAX_SLOTS - 1);
        let turn = (handle >> TURN_SHIFT) as u16;
        (handle == self.encode(slot, turn)).then_some((slot, turn))
    }

    /// Makes a handle for an object that `make` creates from it.
    pub(crate) fn insert_with(&self, make: impl FnOnce(u64) -> Arc<T>) -> Result<u64> {
        let mut all = self.write();
        let slot = match all.free.pop() {
            Some(slot) => slot,
            None if all.slots.len() < MAX_SLOTS => {
                all.slots.push(Slot { turn: 0, object: None });
                all.slots.len() - 1
            }
            None => return Err(Status::OUT_OF_MEMORY),
        };
        let handle = self.encode(slot, all.slots[slot].turn);
        all.slots[slot].object = Some(make(handle));
        Ok(handle)
    }

    /// Makes a handle for an object.
    pub(crate) fn insert(&self, object: T) -> Result<u64> {
        self.insert_with(|_| Arc::new(object))
    }

    /// The live object of a handle.
    pub(crate) fn find(&self, handle: u64) -> Option<Arc<T>> {
        let (slot, turn) = self.decode(handle)?;
        let all = self.read();
        all.slots.get(slot).filter(|slot| slot.turn == turn)?.object.clone()
    }

    /// The live object of a handle; garbage is `CUDA_ERROR_INVALID_HANDLE`.
    pub(crate) fn get(&self, handle: u64) -> Result<Arc<T>> {
        self.find(handle).ok_or(Status::INVALID_HANDLE)
    }

    /// Ends a handle.
    pub(crate) fn remove(&self, handle: u64) -> Result<Arc<T>> {
        let (slot, turn) = self.decode(handle).ok_or(Status::INVALID_HANDLE)?;
        let mut all = self.write();
        let entry = all.slots.get_mut(slot).filter(|slot| slot.turn == turn).ok_or(Status::INVALID_HANDLE)?;
        let object = entry.object.take().ok_or(Status::INVALID_HANDLE)?;
        entry.turn = entry.turn.wrapping_add(1);
        all.free.push(slot);
        Ok(object)
    }

    /// Visits every live object.
    pub(crate) fn for_each(&self, visit: impl Fn(&Arc<T>)) {
        let objects: Vec<_> = self.read().slots.iter().filter_map(|slot| slot.object.clone()).collect();
        objects.iter().for_each(visit);
    }

    /// Ends the handles of all objects that `chosen` picks.
    pub(crate) fn remove_all(&self, chosen: impl Fn(&T) -> bool) {
        let mut removed = Vec::new();
        let mut guard = self.write();
        let all = &mut *guard;
        for (idx, slot) in all.slots.iter_mut().enumerate() {
            if slot.object.as_ref().is_some_and(|object| chosen(object)) {
                removed.extend(slot.object.take());
                slot.turn = slot.turn.wrapping_add(1);
                all.free.push(idx);
            }
        }
        drop(guard);
        // Objects end without the lock: they may hold handles of this kind themselves.
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_handles_are_found_and_nothing_else_is() {
        let table = Table::new(Kind::Event);
        let other: Table<u32> = Table::new(Kind::Stream);
        let first = table.insert(7u32).unwrap();
        let second = table.insert(8).unwrap();
        assert_eq!((*table.get(first).unwrap(), *table.get(second).unwrap()), (7, 8));
        for garbage in [0, 1, 2, u64::MAX, first + 1, first ^ (1 << 50), second << 1, 0xdead_beef] {
            assert_eq!(table.get(garbage).err(), Some(Status::INVALID_HANDLE), "{garbage:#x}");
        }
        assert!(other.get(first).is_err());
        table.remove(first).unwrap();
        assert!(table.get(first).is_err() && table.remove(first).is_err());
        let again = table.insert(9).unwrap();
        assert!(again != first && table.get(first).is_err());
        table.remove_all(|value| *value == 8);
        assert!(table.get(second).is_err() && table.get(again).is_ok());
    }
}
