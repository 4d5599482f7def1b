//! Control-flow graph facts: schedule order, loop nest, dominators, post-dominators.
//!
//! The **schedule order** is a topological order of the graph without back edges in which every loop's blocks are
//! contiguous, header first. Generated code always runs the pending block that comes first in it; this makes lanes meet
//! again where paths join, and loops run in lock-step. Loops are strongly connected components, found recursively
//! (Havlak's nest in effect); one with several entries is `irreducible`.

use super::bitset::BitSet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Loops nested deeper than this are refused: no compiler emits them.
pub(crate) const MAX_LOOP_DEPTH: usize = 200;

/// A graph given by successor lists; node 0 is the entry and has no predecessor.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) succs: Vec<Vec<usize>>,
    pub(crate) preds: Vec<Vec<usize>>,
}

/// A loop of the nest.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    /// Where it is entered; the schedule's first block of the loop.
    pub(crate) header: usize,
    /// Its blocks, inner loops included.
    pub(crate) blocks: BitSet,
    /// Entered elsewhere than at the header.
    pub(crate) irreducible: bool,
}

/// Schedule order and loop nest; inner loops come after the loops that contain them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) order: Vec<usize>,
    pub(crate) loops: Vec<Loop>,
}

impl Graph {
    pub(crate) fn new(succs: Vec<Vec<usize>>) -> Self {
        let mut preds = vec![Vec::new(); succs.len()];
        for (node, targets) in succs.iter().enumerate() {
            for &target in targets {
                if !preds[target].contains(&node) {
                    preds[target].push(node);
                }
            }
        }
        Self { succs, preds }
    }

    pub(crate) fn len(&self) -> usize {
        self.succs.len()
    }

    /// Schedule order and loop nest. All nodes are reachable from node 0. `None` when loops nest too deeply.
    pub(crate) fn schedule(&self) -> Option<Schedule> {
        let mut schedule = Schedule::default();
        let mut inside = BitSet::new(self.len());
        for node in 0..self.len() {
            inside.insert(node);
        }
        self.order_region(&inside, 0, None, 0, &mut schedule).then_some(schedule)
    }

    /// Appends the region's nodes to the schedule; edges to `cut` are not followed.
    fn order_region(
        &self,
        region: &BitSet,
        entry: usize,
        cut: Option<usize>,
        depth: usize,
        out: &mut Schedule,
    ) -> bool {
        if depth > MAX_LOOP_DEPTH {
            return false;
        }
        let component = self.components(region, cut);
        let n_components = region.iter().map(|node| component[node] + 1).max().unwrap_or(0);
        let mut members = vec![Vec::new(); n_components];
        for node in region.iter() {
            members[component[node]].push(node);
        }
        // Kahn's algorithm over components; the one with the smallest node comes first, which keeps the text's order.
        let mut n_waiting = vec![0usize; n_components];
        let edges = |node: usize| self.succs[node].iter().copied().filter(|&to| region.contains(to) && Some(to) != cut);
        for node in region.iter() {
            for to in edges(node).filter(|&to| component[to] != component[node]) {
                n_waiting[component[to]] += 1;
            }
        }
        let mut ready: BinaryHeap<_> = (0..n_components)
            .filter(|&id| n_waiting[id] == 0)
            .map(|id| Reverse((members[id][0] != entry, members[id][0], id)))
            .collect();
        while let Some(Reverse((_, _, id))) = ready.pop() {
            let nodes = &members[id];
            let is_loop = nodes.len() > 1 || edges(nodes[0]).any(|to| to == nodes[0]);
            if is_loop {
                if !self.order_loop(region, nodes, entry, depth, out) {
                    return false;
                }
            } else {
                out.order.push(nodes[0]);
            }
            for &node in nodes {
                for to in edges(node).filter(|&to| component[to] != id) {
                    let target = component[to];
                    n_waiting[target] -= 1;
                    if n_waiting[target] == 0 {
                        ready.push(Reverse((true, members[target][0], target)));
                    }
                }
            }
        }
        true
    }

    fn order_loop(&self, region: &BitSet, nodes: &[usize], entry: usize, depth: usize, out: &mut Schedule) -> bool {
        let mut blocks = BitSet::new(self.len());
        for &node in nodes {
            blocks.insert(node);
        }
        let entered = |node: &usize| {
            *node == entry || self.preds[*node].iter().any(|&pred| region.contains(pred) && !blocks.contains(pred))
        };
        // A loop of an irreducible outer region may be entered only through that region's cut edges.
        let entries: Vec<usize> = nodes.iter().copied().filter(entered).collect();
        let header = entries.first().copied().unwrap_or(nodes[0]);
        out.loops.push(Loop { header, blocks: blocks.clone(), irreducible: entries.len() > 1 });
        self.order_region(&blocks, header, Some(header), depth + 1, out)
    }

    /// Strongly connected components of the region without edges to `cut` (Tarjan, iterative).
    fn components(&self, region: &BitSet, cut: Option<usize>) -> Vec<usize> {
        const NONE: usize = usize::MAX;
        let mut index = vec![NONE; self.len()];
        let mut low = vec![0; self.len()];
        let mut component = vec![NONE; self.len()];
        let mut stack = Vec::new();
        let (mut n_seen, mut n_components) = (0, 0);
        for root in region.iter() {
            if index[root] != NONE {
                continue;
            }
            let mut work = vec![(root, 0usize)];
            while let Some(&mut (node, ref mut edge)) = work.last_mut() {
                if *edge == 0 && index[node] == NONE {
                    index[node] = n_seen;
                    low[node] = n_seen;
                    n_seen += 1;
                    stack.push(node);
                }
                if let Some(&to) = self.succs[node].get(*edge) {
                    *edge += 1;
                    if !region.contains(to) || Some(to) == cut {
                        continue;
                    }
                    if index[to] == NONE {
                        work.push((to, 0));
                    } else if component[to] == NONE {
                        low[node] = low[node].min(index[to]);
                    }
                    continue;
                }
                work.pop();
                if let Some(&(parent, _)) = work.last() {
                    low[parent] = low[parent].min(low[node]);
                }
                if low[node] == index[node] {
                    while let Some(member) = stack.pop() {
                        component[member] = n_components;
                        if member == node {
                            break;
                        }
                    }
                    n_components += 1;
                }
            }
        }
        component
    }

    /// Immediate dominators for nodes in an order where every node's dominator comes before it (reverse post-order or a
    /// schedule). Node `order[0]` dominates itself. Cooper, Harvey, Kennedy.
    pub(crate) fn dominators(&self, order: &[usize]) -> Vec<usize> {
        immediate_dominators(order, &self.preds, self.len())
    }

    /// Immediate post-dominators; `len()` stands for the common exit.
    pub(crate) fn post_dominators(&self) -> Vec<usize> {
        let exit = self.len();
        let mut reversed: Vec<Vec<usize>> = self.succs.clone();
        for targets in &mut reversed {
            if targets.is_empty() {
                targets.push(exit);
            }
        }
        reversed.push(Vec::new());
        let mut into: Vec<Vec<usize>> = vec![Vec::new(); exit + 1];
        for (node, targets) in reversed.iter().enumerate() {
            for &to in targets {
                into[to].push(node);
            }
        }
        let mut order = reverse_post_order(exit, &into);
        // Loops without a way out reach no exit: join them to it one by one.
        let mut seen = vec![false; exit + 1];
        order.iter().for_each(|&node| seen[node] = true);
        for node in (0..exit).rev() {
            if !seen[node] {
                reversed[node].push(exit);
                into[exit].push(node);
                order = reverse_post_order(exit, &into);
                order.iter().for_each(|&node| seen[node] = true);
            }
        }
        immediate_dominators(&order, &reversed, exit + 1)
    }
}

fn reverse_post_order(root: usize, succs: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = vec![false; succs.len()];
    let mut order = Vec::new();
    let mut work = vec![(root, 0usize)];
    seen[root] = true;
    while let Some(&mut (node, ref mut edge)) = work.last_mut() {
        if let Some(&to) = succs[node].get(*edge) {
            *edge += 1;
            if !std::mem::replace(&mut seen[to], true) {
                work.push((to, 0));
            }
        } else {
            order.push(node);
            work.pop();
        }
    }
    order.reverse();
    order
}

fn immediate_dominators(order: &[usize], preds: &[Vec<usize>], len: usize) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let mut position = vec![NONE; len];
    for (at, &node) in order.iter().enumerate() {
        position[node] = at;
    }
    let mut idom = vec![NONE; len];
    idom[order[0]] = order[0];
    let mut changed = true;
    while changed {
        changed = false;
        for &node in &order[1..] {
            let mut best = NONE;
            for &pred in &preds[node] {
                if position[pred] == NONE || idom[pred] == NONE {
                    continue;
                }
                best = if best == NONE { pred } else { intersect(&idom, &position, best, pred) };
            }
            if best != NONE && idom[node] != best {
                idom[node] = best;
                changed = true;
            }
        }
    }
    idom
}

fn intersect(idom: &[usize], position: &[usize], mut a: usize, mut b: usize) -> usize {
    while a != b {
        while position[a] > position[b] {
            a = idom[a];
        }
        while position[b] > position[a] {
            b = idom[b];
        }
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_contiguous_and_in_text_order() {
        // 0 -> 1 <-> {2 <-> 3} -> 4, with an exit from the inner loop to 5.
        let graph = Graph::new(vec![vec![1], vec![2, 4], vec![3], vec![2, 1, 5], vec![], vec![4]]);
        let schedule = graph.schedule().expect("shallow");
        assert_eq!(schedule.order, [0, 1, 2, 3, 5, 4]);
        let headers: Vec<_> = schedule.loops.iter().map(|found| (found.header, found.irreducible)).collect();
        assert_eq!(headers, [(1, false), (2, false)]);
    }

    #[test]
    fn two_entries_are_irreducible() {
        let graph = Graph::new(vec![vec![1, 2], vec![2], vec![1, 3], vec![]]);
        let schedule = graph.schedule().expect("shallow");
        assert_eq!(schedule.loops.len(), 1);
        assert!(schedule.loops[0].irreducible);
        assert_eq!(schedule.order.len(), 4);
    }

    #[test]
    fn post_dominators_of_a_diamond_and_an_endless_loop() {
        let graph = Graph::new(vec![vec![1, 2], vec![3], vec![3], vec![4, 5], vec![4], vec![]]);
        let ipdom = graph.post_dominators();
        assert_eq!(&ipdom[0..3], &[3, 3, 3]);
        assert_eq!(ipdom[3], 6);
        assert_eq!(ipdom[5], 6);
    }
}
