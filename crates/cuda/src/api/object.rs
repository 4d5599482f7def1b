//! User objects: what a graph keeps alive, with the function that ends it.
//!
//! Model. An object counts the references that clients and graphs hold. When the last is gone its function is called, once.

use crate::abi::{HostCallback, Out, entries};
use crate::api::graph::find as find_graph;
use crate::handle::{Kind, Table};
use crate::status::{Result, Status};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// `CU_USER_OBJECT_NO_DESTRUCTOR_SYNC`, which must be given.
const NO_SYNC: u32 = 1;
/// `CU_GRAPH_USER_OBJECT_MOVE`.
const MOVE: u32 = 1;

static OBJECTS: Table<Object> = Table::new(Kind::UserObject);

struct Object {
    references: AtomicU64,
    data: u64,
    destroy: HostCallback,
}

fn find(handle: u64) -> Result<Arc<Object>> {
    OBJECTS.find(handle).ok_or(Status::INVALID_VALUE)
}

/// Takes further references.
pub(crate) fn retain(handle: u64, n: u64) -> Result<()> {
    find(handle)?.references.fetch_add(n, Ordering::AcqRel);
    Ok(())
}

/// Gives references back; the last ends the object.
pub(crate) fn release(handle: u64, n: u64) -> Result<()> {
    let object = find(handle)?;
    let left = object.references.fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| held.checked_sub(n));
    if left.map_err(|_| Status::INVALID_VALUE)? == n {
        OBJECTS.remove(handle)?;
        object.destroy.call(object.data as *mut c_void);
    }
    Ok(())
}

entries! {
    fn cuUserObjectCreate(to: Out<u64>, data: *mut c_void, destroy: HostCallback, references: u32, flags: u32) {
        to.check()?;
        if destroy.is_null() || references == 0 || flags != NO_SYNC {
            return Err(Status::INVALID_VALUE);
        }
        let references = AtomicU64::new(references.into());
        to.set(OBJECTS.insert(Object { references, data: data as u64, destroy })?)
    }

    fn cuUserObjectRetain(object: u64, n: u32) {
        if n == 0 {
            return Err(Status::INVALID_VALUE);
        }
        find(object)?.references.fetch_add(n.into(), Ordering::AcqRel);
        Ok(())
    }

    fn cuUserObjectRelease(object: u64, n: u32) {
        if n == 0 { Err(Status::INVALID_VALUE) } else { release(object, n.into()) }
    }

    fn cuGraphRetainUserObject(graph: u64, object: u64, n: u32, flags: u32) {
        let graph = find_graph(graph)?;
        let found = find(object)?;
        if n == 0 || flags & !MOVE != 0 {
            return Err(Status::INVALID_VALUE);
        }
        if flags & MOVE == 0 {
            found.references.fetch_add(n.into(), Ordering::AcqRel);
        } else if found.references.load(Ordering::Acquire) < n.into() {
            return Err(Status::INVALID_VALUE);
        }
        *graph.state().objects.entry(object).or_default() += u64::from(n);
        Ok(())
    }

    fn cuGraphReleaseUserObject(graph: u64, object: u64, n: u32) {
        let graph = find_graph(graph)?;
        {
            let mut state = graph.state();
            let held = state.objects.get_mut(&object).ok_or(Status::INVALID_VALUE)?;
            *held = held.checked_sub(n.into()).ok_or(Status::INVALID_VALUE)?;
            if *held == 0 {
                state.objects.remove(&object);
            }
        }
        release(object, n.into())
    }
}
