//! One answer for each of many, worked out side by side.

use std::sync::LazyLock;

/// How many threads may work at the same thing. The system is asked once: it reads several files to say.
static MOST: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, |n| n.get().min(8)));

/// One answer for each place, in order, on as many threads as the machine has.
pub(super) fn side_by_side<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let chunk = count.div_ceil(*MOST).max(1);
    if count <= chunk {
        return (0..count).map(work).collect();
    }
    std::thread::scope(|scope| {
        let work = &work;
        let parts: Vec<_> = (0..count)
            .step_by(chunk)
            .map(|from| scope.spawn(move || (from..(from + chunk).min(count)).map(work).collect::<Vec<T>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}
