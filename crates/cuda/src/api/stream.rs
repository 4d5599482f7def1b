//! Streams.

use crate::abi::{In, Out, StreamCallback, entries};
use crate::context;
use crate::status::{Result, Status};
use crate::stream::{self, Default, EVENTS, STREAMS};
use crate::work;
use std::ffi::c_void;

fn destroy(handle: u64) -> Result<()> {
    if handle <= stream::PER_THREAD {
        return Err(Status::INVALID_HANDLE);
    }
    // What is enqueued still runs.
    STREAMS.remove(handle).map(drop)
}

fn context_of(handle: u64, to: Out<u64>, mode: Default) -> Result<()> {
    to.check()?;
    to.set(stream::resolve(handle, mode)?.context()?.handle)
}

entries! {
    fn cuStreamCreate(to: Out<u64>, flags: u32) {
        to.check()?;
        to.set(stream::create(flags, 0)?)
    }

    fn cuStreamCreateWithPriority(to: Out<u64>, flags: u32, priority: i32) {
        to.check()?;
        to.set(stream::create(flags, priority)?)
    }

    fn cuStreamDestroy(handle: u64) {
        destroy(handle)
    }

    fn cuStreamDestroy_v2(handle: u64) {
        destroy(handle)
    }

    fn cuStreamSynchronize | cuStreamSynchronize_ptsz [mode](handle: u64) {
        let stream = stream::resolve(handle, mode)?;
        work::check_not_capturing(&stream)?;
        stream.synchronize()
    }

    fn cuStreamQuery | cuStreamQuery_ptsz [mode](handle: u64) {
        let stream = stream::resolve(handle, mode)?;
        work::check_not_capturing(&stream)?;
        stream.context()?.check()?;
        if stream.runtime.is_idle() { Ok(()) } else { Err(Status::NOT_READY) }
    }

    fn cuStreamWaitEvent | cuStreamWaitEvent_ptsz [mode](handle: u64, event: u64, flags: u32) {
        if flags > 1 {
            return Err(Status::INVALID_VALUE);
        }
        let stream = stream::resolve(handle, mode)?;
        work::wait(&stream, &EVENTS.get(event)?, flags == 1)
    }

    fn cuStreamAddCallback | cuStreamAddCallback_ptsz [mode](
        handle: u64, callback: StreamCallback, data: *mut c_void, flags: u32
    ) {
        if callback.is_null() || flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        let stream = stream::resolve(handle, mode)?;
        work::check_not_capturing(&stream)?;
        let data = data as u64;
        let context = stream.context()?;
        stream.runtime.after_all(move || {
            let status = context.runtime.error().map_or(Status::SUCCESS, Status::from);
            callback.call(handle, status.0, data as *mut c_void);
        });
        Ok(())
    }

    fn cuStreamGetFlags | cuStreamGetFlags_ptsz [mode](handle: u64, flags: Out<u32>) {
        flags.set(stream::resolve(handle, mode)?.flags)
    }

    fn cuStreamGetPriority | cuStreamGetPriority_ptsz [mode](handle: u64, priority: Out<i32>) {
        priority.set(stream::resolve(handle, mode)?.runtime.priority())
    }

    fn cuStreamGetId | cuStreamGetId_ptsz [mode](handle: u64, id: Out<u64>) {
        id.set(stream::resolve(handle, mode)?.id)
    }

    fn cuStreamGetDevice | cuStreamGetDevice_ptsz [mode](handle: u64, device: Out<i32>) {
        device.set(stream::resolve(handle, mode)?.context()?.ordinal.number)
    }

    fn cuStreamGetCtx | cuStreamGetCtx_ptsz [mode](handle: u64, to: Out<u64>) {
        context_of(handle, to, mode)
    }

    fn cuStreamGetCtx_v2 | cuStreamGetCtx_v2_ptsz [mode](handle: u64, to: Out<u64>, green: Out<u64>) {
        green.set_if_wanted(0);
        context_of(handle, to, mode)
    }

    fn cuStreamCopyAttributes | cuStreamCopyAttributes_ptsz [mode](to: u64, from: u64) {
        stream::resolve(to, mode)?;
        stream::resolve(from, mode).map(drop)
    }

    fn cuStreamGetAttribute | cuStreamGetAttribute_ptsz [mode](handle: u64, attribute: u32, value: Out<[u32; 16]>) {
        let stream = stream::resolve(handle, mode)?;
        let mut words = [0; 16];
        match attribute {
            // Access policy window, synchronisation policy, memory domains: as if never set.
            1 | 3 | 9 | 10 => {}
            8 => words[0] = stream.runtime.priority() as u32,
            _ => return Err(Status::INVALID_VALUE),
        }
        value.set(words)
    }

    fn cuStreamSetAttribute | cuStreamSetAttribute_ptsz [mode](handle: u64, attribute: u32, value: In<[u32; 16]>) {
        stream::resolve(handle, mode)?;
        value.get()?;
        // Hints without effect on results.
        if matches!(attribute, 1 | 3 | 8 | 9 | 10) { Ok(()) } else { Err(Status::INVALID_VALUE) }
    }

    fn cuCtxRecordEvent(context: u64, event: u64) {
        let context = context::find(context)?;
        work::record(&context.legacy, &EVENTS.get(event)?, false)
    }

    fn cuCtxWaitEvent(context: u64, event: u64) {
        let context = context::find(context)?;
        work::wait(&context.legacy, &EVENTS.get(event)?, false)
    }
}
