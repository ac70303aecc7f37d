/* SPDX-License-Identifier: MIT
 *
 * Routes and SUBACK: PROTOCOLS 5, cluster/barriers.cc, broker/holding.cc, ADR 14.
 *
 * What is modelled: a client subscribes at node B, which writes the change and a barrier into the inbox of node A and
 * gives SUBACK when A has answered, or after T from the request and T/2 from when Redis had the change. When the client
 * has its SUBACK a publisher at A sends a QoS 1 message. A has two threads: one reads the inbox (asks, hears what Redis
 * had when it answered, takes it over, is fresh for T/2 from when it asked), one takes the message (reads it, reads the
 * clock, looks whether the node is fresh, then routes) and acknowledges it if the node was fresh, or holds it, looks again,
 * and sends it where the first route did not lead.
 *
 * Faults: every step of every process takes as long as it likes, so A may stand still between any two. The clock goes on
 * meanwhile; clocks of nodes run equally fast. Redis is right and slow.
 *
 *   asserts reaches  a message that was published after SUBACK and is acknowledged reaches the subscriber
 *
 *   rule NO_FRESH   reaches  acknowledgements do not wait for fresh routes: a node that stood still goes on with its old ones
 *   rule NO_REROUTE reaches  held until fresh, but routed once: the route is as old as before
 *   rule NO_BARRIER reaches  SUBACK is given when the change is written: a node that is fresh may not have read it yet
 *   rule NO_HALF    reaches  routes count as fresh for T, while SUBACK waits for T/2 from the writing
 *   rule NO_CLOCK   reaches  the clock is read before the message, as once per turn: a pause between them makes old routes fresh
 *   rule NO_ORDER   reaches  the route is looked up before the freshness: what is read between the two is missing in the route
 *
 *   hole WITH_CUT    reaches  B cannot reach Redis, and gives SUBACK after a bound although nobody has heard
 *   hole WITH_FORGET reaches  a failover forgets the change before A has read it; until B repairs, A has read all there is
 *   mend WITH_FORGET MARKED   in a new history a node is fresh only when each member has written a mark into its inbox
 *   hole WITH_OLD    reaches  A reads its inbox on a primary that is none any more
 */
#define T 2
#define HALF 1
#define END 5
#define LONG 3 /* kWithoutRedis */
#ifdef NO_HALF
#define FRESH T
#else
#define FRESH HALF
#endif
#define NEVER 20

hidden byte reaches; /* name for what is asserted */

byte now;

/* Redis: the inbox of A */
bool written, new_history, marked;

/* B */
bool answered, suback;

/* A */
bool table;                /* it knows of the subscription */
byte fresh_until;
bool delivered, acknowledged;

proctype Clock() {
  do
  :: d_step { now < END -> now++ }
  od
}

proctype B() {
  byte since = NEVER, written_at = NEVER;
  d_step { true -> since = now; printf("%d: B asks for the change to be written\n", now) }
  if
  :: d_step { true -> written = true; marked = true; printf("%d: Redis has the change\n", now) }
#ifdef WITH_CUT
  :: d_step { now >= since + LONG -> printf("%d: SUBACK, without Redis\n", now); suback = true };
     goto end
#endif
  fi;
  d_step { true -> written_at = now; printf("%d: B knows that\n", now) }
#ifdef NO_BARRIER
  suback = true;
#else
  d_step {
    answered || (now >= since + T && now >= written_at + HALF) ->
    suback = true;
    printf("%d: SUBACK, A has answered: %d\n", now, answered)
  }
#endif
end:
  skip
}

/* A's inbox */
proctype Inbox() {
  byte asked;
  bool got, fresh;
  do
  :: d_step { now < END -> asked = now }
     /* in the order in which it takes over what Redis has told */
     if
     :: d_step { true -> got = written; fresh = true;
#ifdef MARKED
          fresh = !new_history || marked;
#endif
        }
#ifdef WITH_OLD
     :: d_step { true -> got = false; fresh = true; printf("%d: A reads at an old primary\n", now) }
#endif
     fi;
     if
     :: got && !table -> d_step { table = true; printf("%d: A knows of the subscription\n", now) }
     :: else
     fi;
     if
     :: fresh -> d_step { fresh_until = asked + FRESH; printf("%d: A has read its inbox as of %d\n", now, asked) }
     :: else
     fi;
     if
     :: got -> answered = true
     :: else
     fi;
     d_step { true -> asked = 0; got = false; fresh = false }
  od
}

inline look_for_freshness() {
#ifdef NO_FRESH
  fresh = true
#else
  fresh = (clock < fresh_until)
#endif
}

/* A's shard with the publisher */
proctype Shard() {
  byte clock;
  bool fresh, route;
#ifdef NO_CLOCK
  d_step { true -> clock = now; printf("%d: A's shard reads its clock\n", now) }
  d_step { suback -> printf("%d: A reads the message\n", now) }
#else
  d_step { suback -> printf("%d: A reads the message\n", now) }
  d_step { true -> clock = now }
#endif
#ifdef NO_ORDER
  route = table;
  d_step { true -> look_for_freshness() }
#else
  d_step { true -> look_for_freshness() }
  route = table;
#endif
  delivered = route;
  d_step { true -> printf("%d: A routes it, to B: %d, fresh: %d\n", now, route, fresh) }
  do
  :: fresh -> break
  :: d_step { !fresh && now < END -> clock = now }
     d_step { true -> look_for_freshness() }
#ifndef NO_REROUTE
     if
     :: d_step { fresh -> delivered = delivered || table; printf("%d: A routes it again, to B: %d\n", now, delivered) }
     :: else
     fi
#endif
  :: !fresh && now == END -> goto end
  od;
  acknowledged = true;
end:
  skip
}

#ifdef WITH_FORGET
proctype Failover() {
  if
  :: d_step { written -> written = false; marked = false; new_history = true; printf("%d: a failover forgets the change\n", now) }
     d_step { true -> written = true; marked = true; printf("%d: B repairs\n", now) }
  :: true
  fi
}
#endif

init {
  atomic {
    run Clock(); run B(); run Inbox(); run Shard();
#ifdef WITH_FORGET
    run Failover()
#endif
  }
  timeout ->
  assert(reaches || !acknowledged || delivered)
}
