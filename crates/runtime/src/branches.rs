//! Which stream each step of a graph goes to, so that branches run at the same time.
//!
//! Model. A *lane* is a stream; lane 0 is the one that the graph is launched into. A step goes on in the lane of the first step
//! that it comes after and that nothing else has followed yet; otherwise it opens a lane, or, when there are enough, joins the
//! shortest. It waits for what it comes after in other lanes. Steps are given out in an order that respects the dependencies, so
//! a lane only ever waits for steps that were enqueued before, and nothing waits in a circle.

/// Lanes of a graph, at most: more branches than this share.
const MAX_LANES: usize = 8;

/// Where a step goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lane: usize,
    /// Steps in other lanes that it waits for.
    pub(crate) waits: Vec<usize>,
    /// Whether others wait for it.
    pub(crate) is_awaited: bool,
}

/// The places of all steps; `after[i]` are the steps before `i` that it comes right after.
pub(crate) fn plan(after: &[Vec<usize>]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(after.len());
    // Of each lane: its last step and how many it has.
    let mut lanes: Vec<(usize, usize)> = Vec::new();
    for (idx, before) in after.iter().enumerate() {
        let open = before.iter().map(|step| (places[*step].lane, *step)).find(|(lane, step)| lanes[*lane].0 == *step);
        let lane = match open {
            Some((lane, _)) => lane,
            None if lanes.len() < MAX_LANES => {
                lanes.push((idx, 0));
                lanes.len() - 1
            }
            None => (0..lanes.len()).min_by_key(|lane| lanes[*lane].1).unwrap_or(0),
        };
        lanes[lane] = (idx, lanes[lane].1 + 1);
        let waits: Vec<usize> = before.iter().copied().filter(|step| places[*step].lane != lane).collect();
        waits.iter().for_each(|step| places[*step].is_awaited = true);
        places.push(Place { lane, waits, is_awaited: false });
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(lane: usize, waits: &[usize], is_awaited: bool) -> Place {
        Place { lane, waits: waits.to_vec(), is_awaited }
    }

    #[test]
    fn a_chain_stays_in_one_lane() {
        let places = plan(&[vec![], vec![0], vec![1]]);
        assert!(places.iter().all(|found| *found == place(0, &[], false)));
    }

    #[test]
    fn branches_part_and_meet() {
        // 0 before 1 and 2, both before 3.
        let places = plan(&[vec![], vec![0], vec![0], vec![1, 2]]);
        let expected = [place(0, &[], true), place(0, &[], false), place(1, &[0], true), place(0, &[2], false)];
        assert_eq!(places, expected);
    }

    #[test]
    fn many_branches_share_lanes_and_every_dependency_is_kept() {
        // 40 steps after the first, and one after all of them.
        let mut after = vec![vec![]];
        after.extend((0..40).map(|_| vec![0]));
        after.push((1..41).collect());
        let places = plan(&after);
        assert!(places.iter().all(|place| place.lane < MAX_LANES));
        for (idx, before) in after.iter().enumerate() {
            for step in before {
                let same_lane = places[*step].lane == places[idx].lane;
                assert!(same_lane || places[idx].waits.contains(step) && places[*step].is_awaited);
            }
        }
    }
}
