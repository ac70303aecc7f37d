/* SPDX-License-Identifier: MIT
 *
 * Writing to a target: PROTOCOLS 1 and 2, redis::Writer.
 *
 * What is modelled: one writer, and items (messages) 1 to ITEMS that come at any time. What gathers becomes a batch, with
 * the next number, when none is under way. Two servers: of a target each has the number of its last batch, its last
 * item, and whether an item before that is missing. They take a batch whose number is above the last one (as XADD does),
 * and answer that they have seen it otherwise. A connection holds bytes in both directions.
 *
 * Faults: two failovers, to a server that has the target as it was at any time since it followed; the one before goes on
 * taking and confirming from who is connected, until it is demoted and made a replica. A refusal. A connection that is
 * lost, or given up, at any time: what was sent on it is lost, or arrives late, and what was answered is lost.
 * Confirmation means nothing more than that the server of the connection has it: WAIT of a replica that will not be
 * promoted says no more than that.
 *
 *   asserts once      no server has an item twice, or behind a later one
 *   asserts complete  when all is still, the primary has all items
 *
 *   rule NO_NUMBER   once      the script takes every batch, and not only one with a number above the last: repeats double
 *   rule NO_REPAIR   complete  new batches follow at once: what the new primary lacks before them can never be stored
 *   rule NO_BINDING  complete  what is sent again is merged with what has gathered meanwhile: its number was seen, the rest is lost
 *   rule NO_KEEPING  complete  a batch is dropped when it is confirmed: a failover that forgets it loses it
 *   rule NO_CLOSING  complete  the old connection stays open: its bytes come late, to a server that has forgotten more by then
 *   rule NO_WINDOW   complete  two batches are under way: the first is refused, the second taken, the first is never stored
 *
 *   hole WITH_RETURN complete  there and back between two looks of the writer (a second failover before it knows of the first): its connection outlives both, and it repairs nothing
 *   mend WITH_RETURN CHECKED   the script refuses a number that is not the next one (as that of the logs does), and the writer repairs when the primary has another history (master_replid)
 */
#define ITEMS 4
#ifdef NO_WINDOW
#define WINDOW 2
#else
#define WINDOW 1
#endif

hidden byte once, complete; /* names for what is asserted */

/* the servers */
byte last_number[2], last_item[2];
bool gap[2];
byte primary = 0;
byte history;               /* of the primary: another one after each failover */
bool alive[2];              /* it takes writes: as primary, or as one that does not know yet that it is none */
byte refusals = 2;

/* the writer */
byte made;                  /* items that have come */
byte gathered;              /* items that are in batches */
byte next_number = 1;
byte first[ITEMS + 2], upto[ITEMS + 2]; /* items of each batch, by number */
byte at = 1;                /* number of the batch to be sent next */
byte dropped;               /* batches up to this one are not kept */
bool up = true;
byte to, known;             /* server of the connection, and the history that it had */
byte losses = 2;            /* connections that may break, beyond those to an old primary */

/* the connection, and what is left of one before */
chan sent = [WINDOW] of { byte, byte, byte };
chan answers = [WINDOW] of { byte, bool };
bool late;
byte late_to, late_number, late_first, late_upto;

inline take(s, number, from, last) {
  if
#ifdef NO_NUMBER
  :: true ->
#else
  :: number > last_number[s] ->
#endif
     assert(once || from > last_item[s]);
     if
     :: from > last_item[s] + 1 -> gap[s] = true
     :: else
     fi;
     last_number[s] = number;
     last_item[s] = last;
     printf("server %d stores batch %d, items %d to %d\n", s, number, from, last)
  :: else -> printf("server %d has seen batch %d\n", s, number)
  fi
}

/* What is under way is lost, but perhaps for its first batch, which comes late. A connection that is closed abortively
   leaves nothing to a server that is a replica now: that has refused what it had read. */
inline disconnect() {
  up = false;
  if
  :: late = false
#ifdef NO_CLOSING
  :: nempty(sent) ->
#else
  :: nempty(sent) && alive[to] ->
#endif
     sent?late_number, late_first, late_upto;
     late_to = to;
     late = true
  fi;
  do
  :: nempty(sent) -> sent?_, _, _
  :: empty(sent) && nempty(answers) -> answers?_, _
  :: empty(sent) && empty(answers) -> break
  od
}

inline repair() {
  to = primary;
  known = history;
  up = true;
#ifndef NO_REPAIR
  at = last_number[to] + 1;
#endif
  if
  :: at <= dropped -> at = dropped + 1
  :: else
  fi;
#ifdef NO_BINDING
  if
  :: at < next_number -> upto[at] = made; gathered = made; next_number = at + 1
  :: else
  fi;
#endif
  printf("the writer connects to server %d, which has batches up to %d, and goes on with %d\n", to, last_number[to], at)
}

proctype Writer() {
  byte number;
  bool done, refused;
  do
  :: d_step { made < ITEMS -> made++ }
  :: d_step { up && !refused && len(sent) + len(answers) < WINDOW && at < next_number ->
       sent!at, first[at], upto[at];
       at++
     }
  :: d_step { up && !refused && len(sent) + len(answers) < WINDOW && at == next_number && gathered < made ->
       first[next_number] = gathered + 1;
#ifdef NO_WINDOW
       upto[next_number] = gathered + 1;
#else
       upto[next_number] = made;
#endif
       gathered = upto[next_number];
       sent!at, first[at], upto[at];
       next_number++;
       at++
     }
  :: d_step { up && nempty(answers) ->
       answers?number, done;
       if
       :: done ->
          printf("batch %d is confirmed\n", number);
#ifdef NO_KEEPING
          dropped = number
#endif
       :: !done ->
          printf("batch %d was refused\n", number);
          refused = true
       fi;
       number = 0; done = false
     }
  /* It stops, reads the rest, then repairs. */
  :: d_step { up && refused && empty(sent) && empty(answers) -> up = false; refused = false }
  :: atomic { up && losses > 0 -> refused = false; losses--; printf("the connection is lost\n"); disconnect() }
#ifdef CHECKED
  :: atomic { up && known != history -> refused = false; disconnect() }
#else
  :: atomic { up && to != primary -> refused = false; disconnect() }
#endif
  :: d_step { !up -> repair() }
  od
}

proctype Servers() {
  byte number, from, last;
  do
  :: d_step { up && alive[to] && nempty(sent) ->
       sent?number, from, last;
#ifdef CHECKED
       if
       :: number > last_number[to] + 1 -> printf("server %d refuses batch %d\n", to, number); answers!number, false
       :: else -> take(to, number, from, last); answers!number, true
       fi;
#else
       take(to, number, from, last);
       answers!number, true;
#endif
       number = 0; from = 0; last = 0
     }
  :: d_step { up && nempty(sent) && (refusals > 0 || !alive[to]) ->
       if
       :: alive[to] -> refusals--
       :: else
       fi;
       sent?number, from, last;
       answers!number, false;
       number = 0; from = 0; last = 0
     }
  :: d_step { late && alive[late_to] ->
       printf("late: batch %d to server %d\n", late_number, late_to);
#ifdef CHECKED
       if
       :: late_number > last_number[late_to] + 1
       :: else -> take(late_to, late_number, late_first, late_upto)
       fi;
#else
       take(late_to, late_number, late_first, late_upto);
#endif
       late = false; late_to = 0; late_number = 0; late_first = 0; late_upto = 0
     }
  od
}

inline follow(replica, from) {
  last_number[replica] = last_number[from];
  last_item[replica] = last_item[from];
  gap[replica] = gap[from]
}

/* Each server is primary for a while; at the end no fault is left. */
proctype Failovers() {
  do
  :: d_step { follow(1, 0) }
  :: break
  od;
  if
  :: true -> goto still
  :: d_step { primary = 1; history++; alive[1] = true; printf("failover: server 1 is primary, with batches up to %d\n", last_number[1]) }
  fi;
  d_step {
    alive[0] = false;
    follow(0, 1);
#ifndef NO_CLOSING
    if
    :: late && late_to == 0 -> late = false; late_to = 0; late_number = 0; late_first = 0; late_upto = 0
    :: else
    fi;
#endif
    printf("server 0 is a replica now, with batches up to %d\n", last_number[0])
  }
  do
  :: d_step { follow(0, 1) }
  :: break
  od;
  if
  :: true -> goto still
#ifdef WITH_RETURN
  :: d_step { primary = 0; history++; alive[0] = true; printf("failover: server 0 is primary, with batches up to %d\n", last_number[0]) }
#else
  :: d_step { !up || to == 1 -> primary = 0; history++; alive[0] = true; printf("failover: server 0 is primary, with batches up to %d\n", last_number[0]) }
#endif
  fi;
  d_step { alive[1] = false }
still:
  losses = 0;
  refusals = 0
}

init {
  alive[0] = true;
  atomic { run Writer(); run Servers(); run Failovers() }
  timeout ->
  printf("the primary has items up to %d, something missing before: %d\n", last_item[primary], gap[primary]);
  assert(complete || (last_item[primary] == ITEMS && !gap[primary]))
}
