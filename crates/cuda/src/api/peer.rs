//! Access between devices. All memory is the host's, so access always works; what is kept is what CUDA makes programs ask for.

use crate::abi::{In, Out, entries};
use crate::context;
use crate::driver::{self, lock};
use crate::status::Status;

/// Attributes of a pair of devices: performance rank, access, atomics, array access, partial atomics.
const LAST_ATTRIBUTE: u32 = 5;

entries! {
    fn cuDeviceCanAccessPeer(can: Out<i32>, device: i32, peer: i32) {
        driver::ordinal(device)?;
        driver::ordinal(peer)?;
        can.set(i32::from(device != peer))
    }

    fn cuDeviceGetP2PAttribute(value: Out<i32>, attribute: u32, device: i32, peer: i32) {
        driver::ordinal(device)?;
        driver::ordinal(peer)?;
        value.check()?;
        if device == peer {
            return Err(Status::INVALID_DEVICE);
        }
        match attribute {
            1 | 4 => value.set(0),
            2 | 3 | LAST_ATTRIBUTE => value.set(1),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    fn cuCtxEnablePeerAccess(peer: u64, flags: u32) {
        if flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        let (context, peer) = (context::current()?, context::find(peer)?);
        if std::ptr::eq(context.ordinal, peer.ordinal) {
            return Err(Status::INVALID_DEVICE);
        }
        let mut peers = lock(&context.peers);
        if peers.contains(&peer.id) {
            return Err(Status::PEER_ACCESS_ALREADY_ENABLED);
        }
        peers.push(peer.id);
        Ok(())
    }

    fn cuCtxDisablePeerAccess(peer: u64) {
        let (context, peer) = (context::current()?, context::find(peer)?);
        let mut peers = lock(&context.peers);
        let idx = peers.iter().position(|id| *id == peer.id).ok_or(Status::PEER_ACCESS_NOT_ENABLED)?;
        peers.swap_remove(idx);
        Ok(())
    }

    fn cuDeviceGetP2PAtomicCapabilities(capabilities: Out<u32>, operations: In<u32>, n: u32, device: i32, peer: i32) {
        driver::ordinal(device)?;
        driver::ordinal(peer)?;
        for idx in 0..n as usize {
            operations.get_at(idx)?;
            capabilities.set_at(idx, 0)?;
        }
        Ok(())
    }

    fn cuFlushGPUDirectRDMAWrites(target: u32, scope: u32) {
        let _ = (target, scope);
        context::current()?;
        Err(Status::NOT_SUPPORTED)
    }
}
