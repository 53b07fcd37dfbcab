//! A protocol of a few lines has all that a server has: its greeting and its words, the access list, limits, deadlines,
//! turns, pushes, datagrams.

use super::*;

const BYE: &[u8] = b"bye\n";
const TOO_LONG: &[u8] = b"too long\n";
const LONGEST: usize = 64;

/// Says each line again, as often as it was told to. `quit` ends, `who` counts, `watch` waits for news.
struct Echo {
    times: usize,
}

#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    watches: bool,
}

impl Protocol for Echo {
    type Session = Line;
    /// The news.
    type Source = [u8];

    const TIMEOUTS: Timeouts = Timeouts {
        idle: Duration::from_secs(5),
        write: Duration::from_secs(4),
        request: Duration::from_secs(6),
        slow_request: Duration::from_secs(1),
        push_again: Duration::from_secs(60),
        push_apart: Duration::ZERO,
    };
    const WORDS: Words = Words {
        server: "Echo",
        bind: "Echo",
        addresses: "ECHOIP",
        allow: "ECHOALLOW",
        max_clients: "ECHOMAX",
        port_held: "nobody hears an echo",
    };

    fn open(&mut self, _: &Client, _: &mut [u8]) -> (Line, Option<Rc<[u8]>>) {
        (Line::default(), Some(Rc::from(&b"hello\n"[..])))
    }

    fn handle_bytes(&mut self, line: &mut Line, _: &Client, bytes: &[u8], _: &mut [u8]) -> (usize, Reply) {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(bytes.len(), |end| end + 1);
        line.bytes.extend(&bytes[..used]);
        if line.bytes.len() > LONGEST {
            return (used, Reply::Last(Rc::from(TOO_LONG)));
        }
        if end.is_none() {
            return (used, Reply::Nothing);
        }
        let reply = match &line.bytes[..] {
            b"\n" => Reply::Nothing,
            b"quit\n" => Reply::Last(BYE.repeat(self.times).into()),
            b"who\n" => Reply::List,
            whole => Reply::Send(whole.repeat(self.times).into()),
        };
        line.watches |= line.bytes == b"watch\n";
        line.bytes.clear();
        (used, reply)
    }

    fn is_inside(line: &Line) -> bool {
        !line.bytes.is_empty()
    }

    fn watches(line: &Line) -> bool {
        line.watches
    }

    fn push(&mut self, _: &mut Line, _: &Client, news: &mut [u8]) -> Option<Rc<[u8]>> {
        (!news.is_empty()).then(|| Rc::from(&*news))
    }

    fn list<'a>(
        &mut self,
        all: impl Iterator<Item = Connected<'a, Line>>,
        _: Instant,
        _: &mut [u8],
    ) -> Rc<[u8]> {
        format!("{} others\n", all.filter(|one| !one.is_asking).count()).into_bytes().into()
    }

    fn answer_datagram(&mut self, datagram: &[u8], _: &mut [u8]) -> Option<Rc<[u8]>> {
        Some(Rc::from(datagram))
    }
}

type News = Vec<u8>;

impl Lend<Echo> for News {
    fn lend(&mut self) -> &mut [u8] {
        self
    }
}

fn bench(max_clients: usize, times: usize) -> Bench<Echo, News> {
    Bench::of(Echo { times }, News::new(), settings(max_clients))
}

impl Bench<Echo, News> {
    /// A client that has read its greeting.
    fn greeted(&mut self, bytes: &[u8]) -> TcpStream {
        let mut client = self.client(bytes);
        assert_eq!(&take(&mut client), b"hello\n");
        client
    }

    /// The lines of its log.
    fn log(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.server.poll_log()).map(|(_, line)| line).collect()
    }
}

#[test]
fn it_greets_and_answers_in_order_however_the_bytes_are_cut() {
    let mut bench = bench(10, 1);
    let mut client = bench.greeted(b"one\n\ntwo\nth");
    assert_eq!(&take(&mut client), b"one\ntwo\n");
    for byte in b"ree\n" {
        bench.send(&mut client, &[*byte]);
    }
    assert_eq!(&take(&mut client), b"three\n");
    let _other = bench.greeted(b"");
    bench.send(&mut client, b"who\nlast\n");
    assert_eq!(&take(&mut client), b"1 others\nlast\n");
}

#[test]
fn a_last_answer_is_sent_before_the_connection_is_closed() {
    let mut bench = bench(10, 1);
    for (bytes, last) in [(&b"quit\nmore\n"[..], BYE), (&[b'x'; LONGEST + 1], TOO_LONG)] {
        let mut client = bench.greeted(bytes);
        let mut text = vec![0; last.len()];
        client.read_exact(&mut text).unwrap();
        assert_eq!(text, last);
        assert!(is_closed(&mut client));
    }
    assert_eq!(bench.server.clients(), 0);
}

#[test]
fn a_last_answer_that_has_to_wait_for_its_reader_is_sent_whole() {
    let mut bench = bench(10, 1 << 20);
    let mut client = bench.greeted(b"quit\n");
    assert_eq!(bench.server.clients(), 1);
    let reader = std::thread::spawn(move || client.read_to_end(&mut Vec::new()).unwrap());
    while !reader.is_finished() {
        bench.turn(1);
    }
    assert_eq!((reader.join().unwrap(), bench.server.clients()), (BYE.len() << 20, 0));
}

#[test]
fn it_has_deadlines_for_silence_and_for_a_request_that_drips_in() {
    let mut bench = bench(10, 1);
    let mut idle = bench.greeted(b"");
    let mut slow = bench.greeted(b"a");
    bench.advance(4.9);
    bench.send(&mut slow, b"b");
    assert_eq!(bench.server.clients(), 2);
    bench.advance(0.2);
    assert!(is_closed(&mut idle));
    assert_eq!(bench.server.clients(), 1);
    bench.advance(1.0);
    bench.send(&mut slow, b"c");
    assert!(is_closed(&mut slow));
    assert_eq!((bench.server.clients(), bench.wait()), (0, None));
}

#[test]
fn it_keeps_to_the_access_list_and_the_most_clients_and_says_so_once_a_minute() {
    let nobody = Settings { allow: Box::new(|_| false), ..settings(3) };
    let mut closed = Bench::of(Echo { times: 1 }, News::new(), nobody);
    for _ in 0..3 {
        assert!(is_closed(&mut closed.client(b"one\n")));
    }
    assert_eq!(closed.log(), ["Echo startup succeeded", "Connection from 127.0.0.1 refused by ECHOALLOW."]);
    let mut bench = bench(2, 1);
    let mut clients: Vec<TcpStream> = Vec::new();
    for _ in 0..4 {
        bench.advance(0.1);
        clients.push(bench.greeted(b""));
    }
    assert_eq!(bench.server.clients(), 2);
    assert!(clients[..2].iter_mut().all(is_closed), "the idlest make room");
    let full = "Echo: 2 clients, no more are allowed (ECHOMAX); the idlest is dropped for 127.0.0.1";
    assert_eq!(bench.log(), ["Echo startup succeeded", full]);
}

#[test]
fn who_does_not_read_has_one_answer_waiting_and_is_let_go() {
    // Each answer is longer than the buffers of both ends.
    let mut bench = bench(10, 1 << 20);
    let mut deaf = bench.client(b"11111111\n22222222\n");
    let mut other = bench.client(b"who\n");
    assert_eq!(&take(&mut other), b"hello\n1 others\n");
    bench.advance(3.0);
    // Sending more does not count as reading.
    bench.send(&mut deaf, b"33333333\n");
    assert!(bench.server.connections.queues.first(State::Writing).is_some());
    assert_eq!(bench.server.clients(), 2);
    bench.advance(1.0);
    assert_eq!(bench.server.clients(), 1);
}

#[test]
fn a_flood_of_lines_yields_to_others() {
    let mut bench = bench(10, 1);
    let mut client = bench.greeted(b"");
    client.write_all(&b"x\n".repeat(100)).unwrap();
    bench.deliver();
    bench.turn(20);
    bench.deliver();
    client.set_nonblocking(true).unwrap();
    let mut answers = [0; 200];
    // The turn of the event, and that for what it left.
    assert_eq!(client.read(&mut answers).unwrap(), 2 * 2 * 4);
    client.set_nonblocking(false).unwrap();
    assert_eq!(bench.wait(), Some(0.0), "the rest is due at once");
    bench.settle();
    client.read_exact(&mut answers[16..]).unwrap();
}

#[test]
fn who_watches_is_pushed_news_and_may_be_silent() {
    let mut bench = bench(10, 1);
    let mut client = bench.greeted(b"watch\n");
    let mut other = bench.greeted(b"");
    assert_eq!(&take(&mut client), b"watch\n");
    bench.server.push(bench.now, &mut bench.source);
    bench.deliver();
    assert!(is_silent(&mut client), "no news");
    bench.source = b"news\n".to_vec();
    bench.server.push(bench.now, &mut bench.source);
    assert_eq!(&take(&mut client), b"news\n");
    bench.deliver();
    assert!(is_silent(&mut other));
    bench.advance(30.0);
    assert_eq!(bench.server.clients(), 1);
    bench.advance(30.0);
    assert_eq!(&take(&mut client), b"news\n", "from time to time");
}

#[test]
fn datagrams_are_answered_at_most_ten_times_a_second() {
    let bench = || Bench::of(Echo { times: 1 }, News::new(), Settings { udp: true, ..settings(3) });
    // Somebody may have the port for datagrams, and then it waits to try again.
    let mut bench = std::iter::repeat_with(bench).find(|bench| bench.wait().is_none()).unwrap();
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for _ in 0..20 {
        socket.send_to(b"ping", bench.server.local_addresses().next().unwrap()).unwrap();
    }
    bench.settle();
    socket.set_nonblocking(true).unwrap();
    let answers = std::iter::from_fn(|| socket.recv(&mut [0; 8]).ok());
    assert_eq!(answers.collect::<Vec<_>>(), [4; 10]);
}
