/* SPDX-License-Identifier: MIT
 *
 * Members and their leases: PROTOCOLS 4, cluster/membership.cc, members.cc and scripts.cc.
 *
 * What is modelled: node X, which renews its lease and acts as a member while it has one, and two survivors. One reads its
 * lease, suspects it, fences its epoch and cleans up behind it (its routes, streams, wills); the other one sees the fence
 * and cleans up as well. A node that is
 * fenced joins again with the next epoch and puts its things there again. Redis has the epoch, the fence, the lease with
 * its time, and X's things with the epoch that put them there.
 *
 * Faults: every step takes as long as it likes while the clock goes on, so X stands still past its lease, and answers and
 * scripts are late. One outage: Redis cannot be reached for any time, leases end meanwhile, connections are new after it.
 * One failover, after which the lease is as it was at any time before.
 *
 *   asserts alive   X acts as a member only with an epoch that nobody has cleaned up
 *   asserts kept    and then its things are there
 *   asserts buried  a node that renews as soon as Redis is back is not fenced
 *
 *   rule NO_SENDING  alive   X counts its lease from the answer: Redis, and whoever fences, count from before
 *   rule NO_FENCE    alive   clean-up begins when the lease was read as gone, without a fence: X may have renewed since
 *   rule NO_FENCED   alive   the renewal does not look at the fence: a node that slept goes on with a buried epoch
 *   rule NO_WHOLE    buried  X is suspected by the first read: the first node back after an outage buries everyone
 *   rule NO_SAME     alive   what was read on one connection is acted on over the next one: a failover between them may have forgotten a renewal
 *   rule NO_EPOCH    kept    clean-up does not look at the epoch: a late one takes away what the node has put there since
 *
 *   hole WITH_PAUSE  alive   X stands still between the look at its lease and what it does then: that is refused by epochs only
 *   hole WITH_FORGET alive   a failover forgets the fence behind which X was cleaned up, and X renews
 *   hole WITH_OLD    alive   X renews at a primary that is none any more
 */
#define LEASE 2
#define END 5
#define NEVER 20
#define LIVES 2

#ifdef NO_SAME
#define on_this(c) true
#else
#define on_this(c) ((c) == connections)
#endif

#ifdef NO_FENCE
#define is_fenced(e) true
#else
#define is_fenced(e) (fenced >= (e))
#endif

hidden byte alive, kept, buried; /* names for what is asserted */

byte now;
bool prompt;                /* X renews at each tick when Redis can be reached */
bool renewed;               /* in this tick */

/* Redis */
bool up = true;
byte connections;           /* those before are broken */
byte epoch = 1, fenced, lease_end = LEASE, things = 1;
byte old_lease_end = LEASE, old_fenced; /* as a replica has them */
bool failed_over;

byte cleaned;               /* ghost: highest epoch that was cleaned up */

proctype Clock() {
  do
  :: d_step { now < END && (!prompt || !up || renewed) -> now++; renewed = false }
  od
}

proctype X() {
  byte mine = 1, until = LEASE, sent;
  bool ok, here = true;
  do
  :: now < END ->
     d_step { true -> sent = now }
     if
     :: !up -> ok = false
     :: d_step { up ->
#ifdef NO_FENCED
          ok = true;
#else
          ok = (fenced < mine);
#endif
          if
          :: ok -> lease_end = now + LEASE
          :: else
          fi;
          renewed = true;
          here = true
        }
#ifdef WITH_OLD
     :: d_step { failed_over && here -> ok = true; here = false; printf("%d: X renews at the old primary\n", now) }
#endif
     fi;
     if
     :: d_step { ok ->
#ifdef NO_SENDING
          until = now + LEASE;
#else
          until = sent + LEASE;
#endif
          printf("%d: X has its lease until %d\n", now, until)
        }
     :: d_step { up && !ok ->
          if
          :: fenced >= mine && epoch < LIVES ->
             epoch++;
             mine = epoch;
             things = mine;
             until = 0;
             printf("%d: X is fenced, and joins again with epoch %d\n", now, mine)
          :: else
          fi
        }
     :: d_step { !up && !ok -> skip }
     fi;
     sent = 0; ok = false
  :: d_step { now < until && !prompt ->
#ifdef WITH_PAUSE
       printf("%d: X looks at its lease\n", now)
     }
     d_step { true ->
#endif
       if
       :: cleaned >= mine || things != mine -> printf("%d: X acts, epoch %d, cleaned up %d, things of %d\n", now, mine, cleaned, things)
       :: else
       fi;
       assert(alive || cleaned < mine);
       assert(kept || things == mine)
     }
  :: now == END -> break
  od
}

inline clean_up(e) {
  if
#ifdef NO_EPOCH
  :: true ->
#else
  :: epoch == e && is_fenced(e) ->
#endif
     things = 0;
     cleaned = (cleaned < e -> e : cleaned);
     printf("%d: cleaned up behind epoch %d\n", now, e)
  :: epoch > e || !is_fenced(e) -> printf("%d: nothing to clean up behind epoch %d\n", now, e)
  fi
}

proctype Survivor() {
  byte its, known = 1, since = NEVER, connection;
  bool suspects, cleans;
  do
  :: now == END -> break
  :: d_step { !up && since != NEVER -> since = NEVER }
  :: d_step { up && now < END ->
       /* of a new epoch nothing was read yet */
       if
       :: connection != connections || since == NEVER || known != epoch -> known = epoch; connection = connections; since = now
       :: else
       fi;
       its = epoch;
#ifdef NO_WHOLE
       suspects = (now >= lease_end)
#else
       suspects = (now >= lease_end && now - since >= LEASE)
#endif
     }
#ifdef NO_FENCE
     cleans = suspects;
#else
     if
     :: d_step { suspects && up && on_this(connection) ->
          if
          :: epoch > its || fenced >= its -> cleans = true
          :: epoch == its && fenced < its && now >= lease_end ->
             fenced = its;
             cleans = true;
             printf("%d: epoch %d is fenced\n", now, its);
             assert(buried || !prompt)
          :: else
          fi
        }
     :: !suspects || !up || !on_this(connection)
     fi;
#endif
     if
     :: d_step { cleans && up -> clean_up(its) }
     :: !cleans || !up
     fi;
     d_step { true -> its = 0; suspects = false; cleans = false }
  od
}

/* The other one finds the fence, and begins to clean up as well, in case the first one could not. */
proctype Other() {
  byte its;
  if
  :: true
  :: d_step { up && fenced > 0 -> its = fenced };
     d_step { up -> clean_up(its) }
  fi
}

proctype Trouble() {
  if
  :: true
  :: d_step { up = false; connections++; printf("%d: Redis is away\n", now) };
     d_step { up = true; printf("%d: Redis is back\n", now) }
  :: do
     :: d_step { old_lease_end = lease_end; old_fenced = fenced }
     :: break
     od;
     !prompt;
     d_step { true ->
       connections++;
       failed_over = true;
       lease_end = old_lease_end;
#ifdef WITH_FORGET
       fenced = old_fenced;
#endif
       printf("%d: a failover, the lease ends at %d\n", now, lease_end)
     }
  fi
}

init {
  if
  :: prompt = true; printf("X renews in time\n")
  :: prompt = false
  fi;
  atomic { run Clock(); run X(); run Survivor(); run Other(); run Trouble() }
}
