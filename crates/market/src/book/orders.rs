//! Orders in one slab: a slot per order, linked into lists through the slots themselves, free slots in a list of their own.
//!
//! An order never moves, so its id finds it without a search: the lower half is the slot, the upper half counts how often
//! the slot was used. Nothing is allocated while the number of open orders stays below its highest so far.

use crate::order::Side;
use crate::units::{OrderId, TenantId};

/// The end of a list.
pub(crate) const NONE: u32 = u32::MAX;

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere: the slot is free.
    Free,
    /// In the price ladder.
    Resting,
    /// Among those that wait for an auction.
    Waiting,
    /// In the stop ladder, at its trigger.
    Stop,
}

/// One order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub next: u32,
    pub prev: u32,
    pub tenant: TenantId,
    pub quantity: u32,
    pub generation: u32,
    pub book: u16,
    /// The limit. For a stop that becomes a market order, the price ceiling or floor.
    pub tick: u16,
    /// The trigger of a stop.
    pub trigger: u16,
    pub side: Side,
    pub place: Place,
    /// A stop: what does not trade at once when it wakes is cancelled.
    pub immediate: bool,
    /// Ends with the next auction.
    pub one_auction: bool,
}

/// What a new slot is filled with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub tenant: TenantId,
    pub book: u16,
    pub side: Side,
    pub tick: u16,
    pub quantity: u32,
}

/// All orders of a market.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub slots: Vec<Slot>,
    pub free: u32,
}

impl Orders {
    pub fn new() -> Self {
        Self { slots: Vec::new(), free: NONE }
    }

    /// A slot for a new order. The caller links it.
    pub fn insert(&mut self, ticket: Ticket, place: Place) -> u32 {
        let slot = if self.free == NONE {
            self.slots.push(Slot {
                next: NONE,
                prev: NONE,
                tenant: ticket.tenant,
                quantity: 0,
                generation: 0,
                book: 0,
                tick: 0,
                trigger: 0,
                side: Side::Buy,
                place: Place::Free,
                immediate: false,
                one_auction: false,
            });
            self.slots.len() as u32 - 1
        } else {
            let slot = self.free;
            self.free = self.slots[slot as usize].next;
            slot
        };
        let order = &mut self.slots[slot as usize];
        order.tenant = ticket.tenant;
        order.quantity = ticket.quantity;
        order.generation = order.generation.wrapping_add(1);
        order.book = ticket.book;
        order.tick = ticket.tick;
        order.trigger = 0;
        order.side = ticket.side;
        order.place = place;
        order.immediate = false;
        order.one_auction = false;
        order.next = NONE;
        order.prev = NONE;
        slot
    }

    /// Gives an unlinked slot back.
    pub fn release(&mut self, slot: u32) {
        let free = self.free;
        let order = &mut self.slots[slot as usize];
        order.place = Place::Free;
        order.quantity = 0;
        order.next = free;
        order.prev = NONE;
        self.free = slot;
    }

    /// The id of the order in `slot`.
    pub fn id(&self, slot: u32) -> OrderId {
        OrderId(u64::from(self.slots[slot as usize].generation) << 32 | u64::from(slot))
    }

    /// The slot of a live order.
    pub fn find(&self, id: OrderId) -> Option<u32> {
        let (slot, generation) = (id.0 as u32, (id.0 >> 32) as u32);
        let order = self.slots.get(slot as usize)?;
        (order.generation == generation && order.place != Place::Free).then_some(slot)
    }

    /// The slots of a list, from `head` on.
    pub fn walk(&self, head: u32) -> impl Iterator<Item = u32> {
        let mut at = head;
        std::iter::from_fn(move || {
            let slot = at;
            (slot != NONE).then(|| {
                at = self.slots[slot as usize].next;
                slot
            })
        })
    }
}

/// A first-in first-out list of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    pub head: u32,
    pub tail: u32,
    /// Sum of the quantities.
    pub quantity: u64,
}

impl Queue {
    pub const EMPTY: Self = Self { head: NONE, tail: NONE, quantity: 0 };

    /// Appends.
    pub fn push(&mut self, orders: &mut Orders, slot: u32) {
        let order = &mut orders.slots[slot as usize];
        order.prev = self.tail;
        order.next = NONE;
        self.quantity += u64::from(order.quantity);
        if self.tail == NONE {
            self.head = slot;
        } else {
            orders.slots[self.tail as usize].next = slot;
        }
        self.tail = slot;
    }

    /// Takes out of the middle, with the quantity it still has.
    pub fn unlink(&mut self, orders: &mut Orders, slot: u32) {
        let Slot { next, prev, quantity, .. } = orders.slots[slot as usize];
        self.quantity -= u64::from(quantity);
        if prev == NONE {
            self.head = next;
        } else {
            orders.slots[prev as usize].next = next;
        }
        if next == NONE {
            self.tail = prev;
        } else {
            orders.slots[next as usize].prev = prev;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.head == NONE
    }
}
