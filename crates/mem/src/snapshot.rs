//! What is where at one moment: tiers, traffic, and the map of pages; as text for other processes, as a picture for people.
//!
//! Model. A process with a memory budget writes a [`Snapshot`] to a file of its own, a few times per second while something
//! changes; `vgpu mem` reads it. The file is replaced as a whole, so a reader sees one moment. It holds sizes and places, never
//! contents.

use crate::grid::{Coordinate, Tier};
use crate::pager::Counters;
use crate::store::DiskTraffic;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Neighbouring pages in neighbouring places of one tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First page.
    pub page: u32,
    /// How many.
    pub count: u32,
    /// Where they are; `None` for pages of zeros, which are nowhere, and pages on their way.
    pub tier: Option<Tier>,
    /// Place of the first in its tier.
    pub index: u32,
}

/// How much of a tier is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierUse {
    /// Which one.
    pub tier: Tier,
    /// Pages in it.
    pub pages: u64,
    /// Bytes they take there.
    pub used_bytes: u64,
    /// Bytes there are.
    pub capacity_bytes: u64,
}

/// See the module header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose it is.
    pub process: u32,
    /// First address.
    pub base: u64,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// Pages allocated.
    pub committed_pages: u64,
    /// Pages that are all zero and take no place, or are on their way.
    pub zero_pages: u64,
    /// Tiers that hold pages, fastest first.
    pub tiers: Vec<TierUse>,
    /// Counters so far.
    pub counters: Counters,
    /// Disk traffic so far.
    pub traffic: DiskTraffic,
    /// Where the pages are.
    pub runs: Vec<Run>,
}

/// The folder in which processes of this user publish their state.
pub fn folder() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    match runtime {
        Some(runtime) => runtime.join("vgpu-mem"),
        None => std::env::temp_dir().join(format!("vgpu-mem-{}", crate::os::user_id())),
    }
}

/// Nobody else has made the folder to write in it, or to lead elsewhere.
fn is_own(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::symlink_metadata(folder).is_ok_and(|facts| facts.is_dir() && facts.uid() == crate::os::user_id())
}

const FIRST_LINE: &str = "vgpu-mem 1";

/// Names of the counters in the file, in order.
const COUNTERS: [&str; 17] = [
    "faults",
    "cheap",
    "missed",
    "foreseen",
    "guessed",
    "wasted",
    "fresh",
    "evicted",
    "evicted_clean",
    "evicted_zero",
    "packed_from",
    "packed_to",
    "demoted",
    "kept",
    "disk_written",
    "disk_read",
    "disk_transfers",
];

fn counter<'a>(counters: &'a mut Counters, traffic: &'a mut DiskTraffic, name: &str) -> Option<&'a mut u64> {
    Some(match name {
        "faults" => &mut counters.faults,
        "cheap" => &mut counters.cheap,
        "missed" => &mut counters.missed,
        "foreseen" => &mut counters.foreseen,
        "guessed" => &mut counters.guessed,
        "wasted" => &mut counters.wasted,
        "fresh" => &mut counters.fresh,
        "evicted" => &mut counters.evicted,
        "evicted_clean" => &mut counters.evicted_clean,
        "evicted_zero" => &mut counters.evicted_zero,
        "packed_from" => &mut counters.packed_from,
        "packed_to" => &mut counters.packed_to,
        "demoted" => &mut counters.demoted,
        "kept" => &mut counters.kept,
        "disk_written" => &mut traffic.written,
        "disk_read" => &mut traffic.read,
        "disk_transfers" => &mut traffic.transfers,
        _ => return None,
    })
}

impl Snapshot {
    /// Its lines in the published file.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{FIRST_LINE}\nprocess {}\nbase {}\npage_bytes {}\ncommitted_pages {}\nzero_pages {}\n",
            self.process, self.base, self.page_bytes, self.committed_pages, self.zero_pages
        );
        let (mut counters, mut traffic) = (self.counters, self.traffic);
        for name in COUNTERS {
            let value = counter(&mut counters, &mut traffic, name).map_or(0, |value| *value);
            let _ = writeln!(text, "{name} {value}");
        }
        for tier in &self.tiers {
            let TierUse { tier, pages, used_bytes, capacity_bytes } = tier;
            let _ = writeln!(text, "tier {} {pages} {used_bytes} {capacity_bytes}", tier.name());
        }
        for run in &self.runs {
            let tier = run.tier.map_or("zero", Tier::name);
            let _ = writeln!(text, "run {} {} {tier} {}", run.page, run.count, run.index);
        }
        text
    }

    /// Reads what [`Self::to_text`] wrote; `None` for anything else. Lines that a newer version may add are skipped.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let mut snapshot = Self {
            process: 0,
            base: 0,
            page_bytes: 0,
            committed_pages: 0,
            zero_pages: 0,
            tiers: Vec::new(),
            counters: Counters::default(),
            traffic: DiskTraffic::default(),
            runs: Vec::new(),
        };
        let tier_named = |name: &str| Tier::ALL.into_iter().find(|tier| tier.name() == name);
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["process", value] => snapshot.process = value.parse().ok()?,
                ["base", value] => snapshot.base = value.parse().ok()?,
                ["page_bytes", value] => snapshot.page_bytes = value.parse().ok()?,
                ["committed_pages", value] => snapshot.committed_pages = value.parse().ok()?,
                ["zero_pages", value] => snapshot.zero_pages = value.parse().ok()?,
                ["tier", name, pages, used, capacity] => snapshot.tiers.push(TierUse {
                    tier: tier_named(name)?,
                    pages: pages.parse().ok()?,
                    used_bytes: used.parse().ok()?,
                    capacity_bytes: capacity.parse().ok()?,
                }),
                ["run", page, count, tier, index] => snapshot.runs.push(Run {
                    page: page.parse().ok()?,
                    count: count.parse().ok()?,
                    tier: if tier == "zero" { None } else { Some(tier_named(tier)?) },
                    index: index.parse().ok()?,
                }),
                [name, value] => {
                    let value = value.parse().ok()?;
                    if let Some(counter) = counter(&mut snapshot.counters, &mut snapshot.traffic, name) {
                        *counter = value;
                    }
                }
                _ => {}
            }
        }
        (snapshot.page_bytes > 0).then_some(snapshot)
    }

    /// Replaces the file at `path`, which only this user may read, and makes its folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        let folder = path.parent().unwrap_or(Path::new("/"));
        if !folder.is_dir() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        if !is_own(folder) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the folder belongs to somebody else"));
        }
        let new = path.with_extension("new");
        // What a process that died in the middle left there is no obstacle.
        let _ = std::fs::remove_file(&new);
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        io::Write::write_all(&mut file, self.to_text().as_bytes())?;
        std::fs::rename(&new, path)
    }

    /// The snapshots of this user's living processes.
    pub fn living() -> Vec<Self> {
        Self::read_all(&folder())
    }

    /// The snapshots of the living processes in `folder`. Files of processes that are gone are removed.
    pub fn read_all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).ok().filter(|_| is_own(folder));
        let Some(entries) = entries else { return Vec::new() };
        let mut all = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(process) = name.split('-').next().and_then(|number| number.parse::<u32>().ok()) else { continue };
            if !Path::new("/proc").join(process.to_string()).exists() {
                // Somebody else may have removed it at the same moment.
                let _ = std::fs::remove_file(&path);
                continue;
            }
            let text = std::fs::read_to_string(&path).ok();
            all.extend(text.and_then(|text| Self::from_text(&text)).filter(|snapshot| snapshot.process == process));
        }
        all.sort_by_key(|snapshot| (snapshot.process, snapshot.base));
        all
    }

    /// A table of tiers, traffic and rates.
    pub fn table(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let mut text = format!(
            "process {}: {:.1} MiB allocated in pages of {} KiB, {:.1} MiB of them zero\n",
            self.process,
            mib(self.committed_pages * self.page_bytes),
            self.page_bytes >> 10,
            mib(self.zero_pages * self.page_bytes)
        );
        let _ = writeln!(text, "{:<6} {:>9} {:>12} {:>12}  first coordinate", "tier", "pages", "used MiB", "of MiB");
        for tier in Tier::ALL {
            let first = Coordinate::of(tier, 0);
            match self.tiers.iter().find(|found| found.tier == tier) {
                Some(found) => {
                    _ = writeln!(
                        text,
                        "{:<6} {:>9} {:>12.1} {:>12.1}  {first}",
                        tier.name(),
                        found.pages,
                        mib(found.used_bytes),
                        mib(found.capacity_bytes)
                    )
                }
                None if tier == Tier::Uhd => {}
                None => _ = writeln!(text, "{:<6} {:>9} {:>12} {:>12}  {first}", tier.name(), "-", "advisory", "-"),
            }
        }
        let counters = &self.counters;
        let _ = writeln!(
            text,
            "faults {} (cheap {}), fetched {:.1} MiB while waiting and {:.1} MiB ahead, prefetch hit rate {:.1} %",
            counters.faults,
            counters.cheap,
            mib(counters.missed * self.page_bytes),
            mib(counters.guessed * self.page_bytes),
            counters.prefetch_hit_rate() * 100.0
        );
        let _ = writeln!(
            text,
            "evicted {:.1} MiB ({:.1} MiB clean, {:.1} MiB zero), kept {}, compression {:.2} on {:.1} MiB",
            mib(counters.evicted * self.page_bytes),
            mib(counters.evicted_clean * self.page_bytes),
            mib(counters.evicted_zero * self.page_bytes),
            counters.kept,
            counters.compression_ratio(),
            mib(counters.packed_from)
        );
        let _ = writeln!(
            text,
            "disk: {:.1} MiB written, {:.1} MiB read, {} transfers",
            mib(self.traffic.written),
            mib(self.traffic.read),
            self.traffic.transfers
        );
        text
    }

    /// The tier of each of `cells` equal stretches of the allocated pages: that of the most pages in it.
    fn cells(&self, cells: usize) -> Vec<Option<Tier>> {
        let total: u64 = self.runs.iter().map(|run| u64::from(run.count)).sum();
        let cells = cells.min(usize::try_from(total).unwrap_or(usize::MAX));
        let mut counts = vec![[0u64; Tier::ALL.len() + 1]; cells];
        let mut at = 0u64;
        for run in &self.runs {
            let kind = run.tier.map_or(Tier::ALL.len(), |tier| tier as usize);
            let (start, end) = (at, at + u64::from(run.count));
            let (mut place, n) = (start, cells as u64);
            while place < end {
                let cell = place * n / total;
                let stop = ((cell + 1) * total).div_ceil(n).min(end);
                counts[cell as usize][kind] += stop - place;
                place = stop;
            }
            at = end;
        }
        let winner = |counts: &[u64; Tier::ALL.len() + 1]| {
            let most = (0..counts.len()).max_by_key(|kind| counts[*kind]).unwrap_or(Tier::ALL.len());
            Tier::ALL.get(most).copied()
        };
        counts.iter().map(winner).collect()
    }

    /// The map as text: one letter per stretch of pages, with the grid coordinate at the start of each line.
    pub fn map_text(&self) -> String {
        const LINE: usize = 64;
        let letter = |tier: Option<Tier>| match tier {
            Some(Tier::Vram) => '#',
            Some(Tier::Packed) => '+',
            Some(Tier::Disk) => 'o',
            _ => '.',
        };
        let cells = self.cells(LINE * 24);
        let total: u64 = self.runs.iter().map(|run| u64::from(run.count)).sum();
        let mut text = "# VRAM   + vVRAM (compressed)   o vSSD   . zero\n".to_owned();
        for (row, line) in cells.chunks(LINE).enumerate() {
            let page = (row * LINE) as u64 * total / cells.len() as u64;
            let place = self.coordinate(page).map_or_else(String::new, |place| place.to_string());
            let letters: String = line.iter().map(|tier| letter(*tier)).collect();
            let _ = writeln!(text, "{letters:<LINE$}  {place}");
        }
        text
    }

    /// The coordinate of the `n`-th allocated page; `None` for one that is nowhere.
    pub fn coordinate(&self, n: u64) -> Option<Coordinate> {
        let mut before = 0;
        for run in &self.runs {
            if n < before + u64::from(run.count) {
                return Some(Coordinate::of(run.tier?, run.index + (n - before) as u32));
            }
            before += u64::from(run.count);
        }
        None
    }

    /// The map as a picture: a square per stretch of pages.
    pub fn map_svg(&self) -> String {
        const LINE: usize = 64;
        const SIDE: usize = 12;
        let cells = self.cells(LINE * LINE);
        let rows = cells.len().div_ceil(LINE).max(1);
        let (width, height) = (LINE * SIDE, rows * SIDE + 40);
        let colour = |tier: Option<Tier>| match tier {
            Some(Tier::Vram) => "#2a9d5c",
            Some(Tier::Packed) => "#e0a030",
            Some(Tier::Disk) => "#3f6fb5",
            _ => "#dddddd",
        };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
        );
        let legend =
            [(Some(Tier::Vram), "VRAM"), (Some(Tier::Packed), "vVRAM"), (Some(Tier::Disk), "vSSD"), (None, "zero")];
        for (idx, (tier, name)) in legend.into_iter().enumerate() {
            let x = 10 + idx * 110;
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"10\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"{}\"/><text x=\"{}\" y=\"20\">{name}</text>",
                colour(tier),
                x + 18
            );
        }
        for (idx, tier) in cells.iter().enumerate() {
            let (x, y) = (idx % LINE * SIDE, idx / LINE * SIDE + 36);
            let side = SIDE - 1;
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" fill=\"{}\"/>",
                colour(*tier)
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Snapshot {
        let run = |page, count, tier, index| Run { page, count, tier, index };
        let mut counters =
            Counters { faults: 5, missed: 1, foreseen: 3, packed_from: 200, packed_to: 100, ..Counters::default() };
        counters.kept = 9;
        Snapshot {
            process: std::process::id(),
            base: 1 << 40,
            page_bytes: 65536,
            committed_pages: 130,
            zero_pages: 10,
            tiers: vec![TierUse { tier: Tier::Vram, pages: 60, used_bytes: 60 << 16, capacity_bytes: 64 << 16 }],
            counters,
            traffic: DiskTraffic { written: 1, read: 2, transfers: 3 },
            runs: vec![run(0, 60, Some(Tier::Vram), 300), run(60, 10, None, 0), run(100, 60, Some(Tier::Disk), 100)],
        }
    }

    #[test]
    fn the_text_leads_back() {
        let snapshot = example();
        assert_eq!(Snapshot::from_text(&snapshot.to_text()), Some(snapshot.clone()));
        let newer = snapshot.to_text() + "colour 7\nsomething else entirely\n";
        assert_eq!(Snapshot::from_text(&newer), Some(snapshot.clone()));
        for wrong in ["", "vgpu-mem 2\n", "vgpu-mem 1\npage_bytes x\n", "vgpu-mem 1\n"] {
            assert_eq!(Snapshot::from_text(wrong), None);
        }
    }

    #[test]
    fn the_map_shows_each_tier_in_its_place() {
        let snapshot = example();
        let text = snapshot.map_text();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(&lines[0][..64], "#".repeat(60) + "....");
        assert_eq!(&lines[1][..64], "......".to_owned() + &"o".repeat(58));
        assert!(lines[0].ends_with("(VRAM, 211, 1)"), "{}", lines[0]);
        assert_eq!(snapshot.coordinate(70), Some(Coordinate::of(Tier::Disk, 100)));
        assert_eq!(snapshot.coordinate(65), None);
        let svg = snapshot.map_svg();
        assert_eq!(svg.matches("#3f6fb5").count(), 61);
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn files_of_living_processes_are_found_and_others_removed() {
        let folder = std::env::temp_dir().join(format!("vgpu-snapshot-test-{}", std::process::id()));
        let snapshot = example();
        let own = folder.join(format!("{}-1", std::process::id()));
        snapshot.write(&own).unwrap();
        snapshot.write(&own).unwrap();
        std::fs::write(folder.join("4294967295-1"), snapshot.to_text()).unwrap();
        assert_eq!(Snapshot::read_all(&folder), [snapshot]);
        assert!(!folder.join("4294967295-1").exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_empty_snapshot_draws() {
        let empty = Snapshot { runs: Vec::new(), ..example() };
        assert!(empty.map_text().lines().count() == 1);
        assert!(empty.map_svg().contains("</svg>"));
        assert!(empty.table().contains("prefetch hit rate 75.0 %"));
    }
}
