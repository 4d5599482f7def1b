//! Events.

use crate::abi::{Out, entries};
use crate::status::{Result, Status};
use crate::stream::{self, DISABLE_TIMING, EVENTS};
use crate::work;

fn destroy(event: u64) -> Result<()> {
    EVENTS.remove(event).map(drop)
}

fn elapsed(milliseconds: Out<f32>, start: u64, end: u64) -> Result<()> {
    milliseconds.check()?;
    let (start, end) = (EVENTS.get(start)?, EVENTS.get(end)?);
    if (start.flags | end.flags) & DISABLE_TIMING != 0 || start.context_id != end.context_id {
        return Err(Status::INVALID_HANDLE);
    }
    let context = start.context.upgrade().ok_or(Status::CONTEXT_IS_DESTROYED)?;
    context.check()?;
    let time = end.runtime.elapsed_since(&start.runtime)?;
    milliseconds.set((time.as_secs_f64() * 1e3) as f32)
}

entries! {
    fn cuEventCreate(to: Out<u64>, flags: u32) {
        to.check()?;
        to.set(stream::create_event(flags)?)
    }

    fn cuEventDestroy(event: u64) {
        destroy(event)
    }

    fn cuEventDestroy_v2(event: u64) {
        destroy(event)
    }

    fn cuEventRecord | cuEventRecord_ptsz [mode](event: u64, stream: u64) {
        work::record(&stream::resolve(stream, mode)?, &EVENTS.get(event)?, false)
    }

    fn cuEventRecordWithFlags | cuEventRecordWithFlags_ptsz [mode](event: u64, stream: u64, flags: u32) {
        if flags > 1 {
            return Err(Status::INVALID_VALUE);
        }
        work::record(&stream::resolve(stream, mode)?, &EVENTS.get(event)?, flags == 1)
    }

    fn cuEventQuery(event: u64) {
        let event = EVENTS.get(event)?;
        work::check_not_captured(&event)?;
        if let Some(context) = event.context.upgrade() {
            context.check()?;
        }
        if event.runtime.is_complete() { Ok(()) } else { Err(Status::NOT_READY) }
    }

    fn cuEventSynchronize(event: u64) {
        let event = EVENTS.get(event)?;
        work::check_not_captured(&event)?;
        event.runtime.synchronize();
        let context = event.context.upgrade().ok_or(Status::CONTEXT_IS_DESTROYED)?;
        context.runtime.flush_output();
        context.check()
    }

    fn cuEventElapsedTime(milliseconds: Out<f32>, start: u64, end: u64) {
        elapsed(milliseconds, start, end)
    }

    fn cuEventElapsedTime_v2(milliseconds: Out<f32>, start: u64, end: u64) {
        elapsed(milliseconds, start, end)
    }
}
