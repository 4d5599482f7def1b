//! The whole market under random commands: every rule holds after each, and bytes tell the whole story.

use proptest::prelude::*;
use vgpu_market::*;

fn config() -> Config {
    let mut resources = vec![
        Resource::share("compute", Class::Compute),
        Resource::share("ram", Class::Memory),
        Resource::share("bandwidth", Class::Bandwidth),
    ];
    resources[1].capacity = 64;
    Config { resources, history: 20, max_tenants: 6, auction_interval_ns: 1_000_000, ..Config::default() }
}

/// Ids that mostly exist.
fn command() -> impl Strategy<Value = Command> {
    let tenant = || (0u32..5).prop_map(TenantId);
    let resource = || prop_oneof![20 => 0u16..3, 1 => Just(3u16)].prop_map(ResourceId);
    let order = || prop_oneof![(0u64..12, 1u64..4).prop_map(|(slot, generation)| OrderId(generation << 32 | slot))];
    let tick = || prop_oneof![5 => 0u16..60, 1 => 0u16..5000].prop_map(Tick);
    let kind = prop_oneof![
        Just(Kind::Market),
        (tick(), 0u8..5).prop_map(|(tick, lifetime)| Kind::Limit {
            tick,
            lifetime: match lifetime {
                0 => Lifetime::Immediate,
                1 => Lifetime::Auction,
                _ => Lifetime::Standing,
            },
        }),
        tick().prop_map(|trigger| Kind::Stop { trigger }),
        (tick(), tick()).prop_map(|(trigger, tick)| Kind::StopLimit { trigger, tick }),
    ];
    let utility = prop_oneof![
        Just(Utility::Idle),
        (prop::collection::vec(0u32..9, 3), 0u32..4000)
            .prop_map(|(per_bundle, bundles)| Utility::Leontief { per_bundle, bundles }),
        prop::collection::vec(0u32..9, 2..4).prop_map(|weights| Utility::CobbDouglas { weights }),
        prop::collection::vec(0u32..9, 3).prop_map(|values| Utility::Linear { values }),
    ];
    let budget = || prop_oneof![9 => 0i64..9_000_000_000, 1 => any::<i64>()].prop_map(Credits);
    let side = any::<bool>().prop_map(|buy| if buy { Side::Buy } else { Side::Sell });
    prop_oneof![
        2 => budget().prop_map(|budget| Command::OpenTenant { budget }),
        1 => (tenant(), budget()).prop_map(|(tenant, credits)| Command::Grant { tenant, credits }),
        1 => tenant().prop_map(|tenant| Command::CloseTenant { tenant }),
        4 => (tenant(), utility).prop_map(|(tenant, utility)| Command::Declare { tenant, utility }),
        30 => (tenant(), resource(), 0u32..9, side, kind, 0u32..900).prop_map(
            |(tenant, resource, epoch, side, kind, quantity)| {
                Command::Place(NewOrder { tenant, resource, epoch: Epoch(epoch), side, kind, quantity })
            }
        ),
        4 => (tenant(), order()).prop_map(|(tenant, order)| Command::Cancel { tenant, order }),
        4 => (tenant(), order(), tick(), 0u32..900)
            .prop_map(|(tenant, order, tick, quantity)| Command::Move { tenant, order, tick, quantity }),
        2 => Just(Command::Advance),
        4 => Just(Command::Clear),
        3 => (resource(), 0u32..11_000).prop_map(|(resource, units)| Command::Supply { resource, units }),
    ]
}

/// Four tenants that want something, and an epoch to trade in.
fn opening() -> Vec<(u64, Command)> {
    let mut commands = Vec::new();
    for tenant in 0..4 {
        commands.push((0, Command::OpenTenant { budget: Credits::whole(5000) }));
        let utility = Utility::CobbDouglas { weights: vec![2, 1 + tenant, 1] };
        commands.push((0, Command::Declare { tenant: TenantId(tenant), utility }));
    }
    commands.push((0, Command::Clear));
    commands
}

fn commands() -> impl Strategy<Value = Vec<(u64, Command)>> {
    prop::collection::vec((0u64..400_000, command()), 1..150).prop_map(|steps| {
        let (mut now, mut commands) = (0, opening());
        for (pause, command) in steps {
            now += pause;
            commands.push((now, command));
        }
        commands
    })
}

fn play(commands: &[(u64, Command)]) -> Market {
    let mut market = Market::new(config()).expect("valid");
    for (now, command) in commands {
        let _ = market.apply(*now, command);
    }
    market
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_holds_after_every_command(commands in commands()) {
        let mut market = Market::new(config()).expect("valid");
        for (now, command) in &commands {
            let before = (market.hash(), market.now_ns());
            let outcome = market.apply(*now, command);
            if let Err(broken) = market.audit() {
                prop_assert!(false, "{} after {:?}", broken, command);
            }
            // A refusal changes nothing, unless auctions were due.
            if outcome.is_err() && before.1 == *now {
                prop_assert_eq!(market.hash(), before.0, "{:?} was refused and changed something", command);
            }
        }
    }

    #[test]
    fn replay_and_snapshot_give_the_same_state(commands in commands(), at in any::<prop::sample::Index>()) {
        let whole = play(&commands);
        // Every command goes through its bytes.
        let read: Vec<_> = commands.iter().map(|(now, command)| {
            let mut bytes = Vec::new();
            command.write(&mut bytes);
            (*now, Command::read(&bytes).expect("its own bytes"))
        }).collect();
        prop_assert_eq!(&read, &commands);
        prop_assert_eq!(play(&read).hash(), whole.hash());
        // A snapshot in the middle, then the rest.
        let at = at.index(commands.len());
        let half = play(&commands[..at]);
        let mut market = Market::from_bytes(&half.to_bytes()).expect("its own bytes");
        prop_assert_eq!(market.hash(), half.hash());
        for (now, command) in &commands[at..] {
            let _ = market.apply(*now, command);
        }
        prop_assert_eq!(market.hash(), whole.hash());
    }

    /// Damaged bytes are refused, or are the bytes of another market that is sound; never a panic.
    #[test]
    fn damaged_snapshots_do_no_harm(
        commands in commands(), at in any::<prop::sample::Index>(), value in any::<u8>(), shorter in any::<bool>()
    ) {
        let mut bytes = play(&commands).to_bytes();
        let at = at.index(bytes.len());
        if shorter {
            bytes.truncate(at);
            prop_assert!(Market::from_bytes(&bytes).is_err());
        } else {
            bytes[at] ^= value;
            if let Ok(market) = Market::from_bytes(&bytes) {
                prop_assert_eq!(market.audit(), Ok(()));
            }
        }
    }

    #[test]
    fn damaged_commands_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(command) = Command::read(&bytes) {
            let mut again = Vec::new();
            command.write(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn auctions_do_not_depend_on_who_looks() {
    let mut commands = opening();
    let order = |tenant, side, tick| {
        let kind = Kind::Limit { tick: Tick(tick), lifetime: Lifetime::Auction };
        let (tenant, resource, epoch) = (TenantId(tenant), ResourceId(0), Epoch(2));
        Command::Place(NewOrder { tenant, resource, epoch, side, kind, quantity: 100 })
    };
    commands.push((10, order(0, Side::Buy, 60)));
    commands.push((20, order(1, Side::Sell, 40)));
    let mut often = play(&commands);
    for now in 0..50 {
        often.apply(20 + now * 100_000, &Command::Advance).expect("accepted");
    }
    let mut once = play(&commands);
    once.apply(20 + 49 * 100_000, &Command::Advance).expect("accepted");
    assert_eq!(
        often.history().trades().map(|trade| (trade.time_ns, trade.quantity)).collect::<Vec<_>>(),
        [(1_000_000, 100)]
    );
    assert_eq!(often.hash(), once.hash());
}

#[test]
fn a_shock_is_shared_pro_rata() {
    let mut market = play(&opening());
    let before: Vec<u32> = (0..4).map(|tenant| market.shares(TenantId(tenant)).expect("open")[0]).collect();
    market.apply(5, &Command::Supply { resource: ResourceId(0), units: 5000 }).expect("accepted");
    let after: Vec<u32> = (0..4).map(|tenant| market.shares(TenantId(tenant)).expect("open")[0]).collect();
    assert_eq!(before.iter().sum::<u32>(), 10_000);
    assert_eq!(after.iter().sum::<u32>(), 5000);
    for (before, after) in before.iter().zip(&after) {
        assert!((before / 2).abs_diff(*after) <= 1);
    }
    assert_eq!(market.audit(), Ok(()));
}

#[test]
fn savings_buy_more_later() {
    let mut market = Market::new(config()).expect("valid");
    for _ in 0..2 {
        market.apply(0, &Command::OpenTenant { budget: Credits::whole(1000) }).expect("accepted");
    }
    let wants = |bundles| Utility::Leontief { per_bundle: vec![1, 0, 0], bundles };
    let declare = |market: &mut Market, tenant, bundles| {
        let command = Command::Declare { tenant: TenantId(tenant), utility: wants(bundles) };
        market.apply(market.now_ns(), &command).expect("accepted");
    };
    // The first wants everything, the second little: it is paid for what it leaves.
    declare(&mut market, 0, 20_000);
    declare(&mut market, 1, 500);
    for now in 1..10 {
        market.apply(now, &Command::Clear).expect("accepted");
    }
    assert_eq!(market.shares(TenantId(1)).expect("open")[0], 500);
    assert!(market.portfolio(TenantId(1)).expect("open").free > Credits::whole(1100));
    // Now both want everything, and the saver gets more.
    declare(&mut market, 1, 20_000);
    for now in 10..13 {
        market.apply(now, &Command::Clear).expect("accepted");
    }
    let shares: Vec<u32> = (0..2).map(|tenant| market.shares(TenantId(tenant)).expect("open")[0]).collect();
    assert!(shares[1] > shares[0] + 500, "{shares:?}");
    assert_eq!(shares.iter().sum::<u32>(), 10_000);
}

#[test]
fn refusals_say_what_was_found_and_what_is_accepted() {
    let mut market = play(&opening());
    let order = NewOrder {
        tenant: TenantId(0),
        resource: ResourceId(0),
        epoch: Epoch(9),
        side: Side::Buy,
        kind: Kind::Limit { tick: Tick(999), lifetime: Lifetime::Standing },
        quantity: 10,
    };
    let mut refused = |order: NewOrder| market.apply(1, &Command::Place(order)).expect_err("refused").to_string();
    assert_eq!(
        refused(order),
        "epoch 9 is not open for trading; open are 2 to 3".replace("2 to 3", "epoch 2 to epoch 3")
    );
    let order = NewOrder { epoch: Epoch(2), ..order };
    assert_eq!(refused(NewOrder { quantity: 0, ..order }), "quantity 0 is not within 1 to 16777216");
    assert_eq!(
        refused(NewOrder { quantity: 1001, ..order }),
        "transaction of 1001 credits exceeds the maximum of 1000"
    );
    assert_eq!(refused(NewOrder { tenant: TenantId(7), ..order }), "tenant 7 does not exist or was closed");
    assert_eq!(refused(NewOrder { resource: ResourceId(7), ..order }), "resource 7 does not exist");
    let high = Kind::Limit { tick: Tick(4096), lifetime: Lifetime::Standing };
    assert_eq!(refused(NewOrder { kind: high, ..order }), "tick 4096 is above the price ceiling, tick 4095");
}
