/* SPDX-License-Identifier: MIT
 *
 * Positions in a log and those who read it: PROTOCOLS 3, the scripts of store/redis_log_scripts.cc, tail and cursors.
 *
 * What is modelled: one log on two servers; writer 0 with messages 1 and 2, writer 1 with message 3, each numbered; one
 * reader with a cursor, which goes to an entry's position when the entry was handed out, and remembers its last offset
 * of each generation. The script raises the generation when its server has another history than the log. A writer
 * remembers each position that a message of its was given (known), and sends them when it appends it again.
 *
 * Faults: two failovers, to a server that has the log as it was at any time since it followed; the one before goes on
 * taking, confirming and showing until it is demoted. A message counts as acknowledged as soon as any server has taken
 * it. Writers and reader find the new primary whenever they do; a writer then repairs (repair.pml). Clocks of the servers
 * are in step, or one of them stands still; then writers hear what generations others were given, by their notices.
 *
 *   asserts all_read  when all is still, what was acknowledged has been handed out
 *   asserts once      nothing is handed out twice (QoS 2)
 *
 *   rule NO_GENERATION all_read  positions are offsets alone: what a failover forgot is another message's offset later, and its reader has passed it
 *   rule NO_TIME       all_read  the generation is only counted: who has not seen the highest one that was forgotten uses it again
 *   rule NO_MAXGEN     all_read  the generation is the server's clock or one more than stored: one whose clock is behind uses a forgotten one again
 *   rule NO_KNOWN      once      what is appended again does not say where it was: who had it there gets it twice
 *
 *   hole WITH_UNHEARD  all_read  a clock is behind, and a writer has not heard of the generation that was forgotten
 *   hole WITH_LOST     once      the answer to an append was lost, then a failover forgets it: its writer knows no position, its reader has it
 *   mend WITH_LOST OWN_ID        the reader remembers (writer, number) of what it was handed lately, and leaves that out
 *   hole WITH_LATE     all_read  an old primary raises the generation of a log that was quiet until then, later than the new one has: who read that has passed all that comes
 *   mend WITH_LATE BY_GENERATION the reader compares an entry with what it has passed of that generation, and not with the highest position
 */
#define MESSAGES 3
#define pos(gen, off) ((gen) * 4 + (off))
#define bit(p) (1 << (p))

hidden byte all_read, once; /* names for what is asserted */

/* the servers: entry i of server s stands at [s * 4 + i], from 1 on */
byte message[8], place[8];
int was[8];                 /* `known` of the entry: a set of positions */
byte offset[2], generation[2] = 1, history[2] = 1, of_log[2] = 1;
byte last[4];               /* number of the last message of writer w on server s, at [s * 2 + w] */
bool alive[2];
byte primary = 0, histories = 1;
byte clock = 1;             /* of the servers: it goes on whenever a generation is raised */
bool skew;                  /* the clock of server 0 stands still */

/* the writers: writer 0 has messages 1 and 2, as numbers 1 and 2, writer 1 has message 3, as number 1 */
byte at[2];                 /* server */
byte next[2] = 1, maxgen[2] = 1;
int known[4];               /* where each message was put, so far */
bool acknowledged[4];
bool can_lose = true;

/* the reader */
byte from, cursor;
byte passed[8];             /* last offset in each generation */
bool got[4];

#define total(w) ((w) == 0 -> 2 : 1)
#define message_of(w, number) ((w) == 0 -> (number) : 3)
#ifdef WITH_LATE
#define may_raise(s) true
#else
#define may_raise(s) (s == primary || history[s] == of_log[s])
#endif
#ifdef BY_GENERATION
#define unread(p) ((p) % 4 > passed[(p) / 4])
#else
#define unread(p) ((p) > cursor)
#endif
#define max(a, b) ((a) > (b) -> (a) : (b))

inline append(w, s) {
  if
  :: next[w] <= last[s * 2 + w] -> printf("server %d has seen message %d\n", s, message_of(w, next[w]))
  :: else ->
     if
     :: history[s] != of_log[s] ->
        g = generation[s] + 1;
#ifndef NO_MAXGEN
        g = max(g, maxgen[w] + 1);
#endif
#ifndef NO_TIME
        clock++;
        g = max(g, (skew && s == 0 -> 0 : clock));
#endif
#ifndef NO_GENERATION
        generation[s] = g;
#endif
        of_log[s] = history[s]
     :: else
     fi;
     offset[s]++;
     m = message_of(w, next[w]);
     p = pos(generation[s], offset[s]);
     message[s * 4 + offset[s]] = m;
     place[s * 4 + offset[s]] = p;
     was[s * 4 + offset[s]] = known[m];
     last[s * 2 + w] = next[w];
     printf("server %d puts message %d of writer %d at (%d, %d)\n", s, m, w, generation[s], offset[s]);
     if
#ifdef WITH_LOST
     :: can_lose -> can_lose = false; printf("its answer is lost\n")
#endif
     :: true ->
        known[m] = known[m] | bit(p);
        maxgen[w] = max(maxgen[w], generation[s]);
#ifndef WITH_UNHEARD
        if
        :: skew -> maxgen[1 - w] = max(maxgen[1 - w], generation[s])
        :: else
        fi;
#endif
        acknowledged[m] = true;
        next[w]++
     fi;
     m = 0; p = 0; g = 0
  fi
}

proctype Writer(byte w) {
  byte m, p, g;
  do
  :: atomic { alive[at[w]] && next[w] <= total(w) && next[w] > last[at[w] * 2 + w] && may_raise(at[w]) -> append(w, at[w]) }
  /* an answer that was lost is asked for again: the script says where the last one is */
  :: d_step { alive[at[w]] && next[w] <= total(w) && next[w] <= last[at[w] * 2 + w] ->
       p = 1;
       do
       :: message[at[w] * 4 + p] == message_of(w, next[w]) -> break
       :: else -> p++
       od;
       m = message[at[w] * 4 + p];
       known[m] = known[m] | bit(place[at[w] * 4 + p]);
       acknowledged[m] = true;
       next[w]++;
       p = 0; m = 0
     }
  :: d_step { at[w] != primary ->
       at[w] = primary;
       next[w] = last[primary * 2 + w] + 1;
       printf("writer %d goes on at server %d with its number %d\n", w, primary, next[w])
     }
  od
}

/* Reads the entry behind its cursor: of those of its server, the lowest. */
proctype Reader() {
  byte i, g;
  bool had;
  do
  :: d_step { from != primary -> from = primary; printf("the reader goes to server %d\n", primary) }
  :: d_step { alive[from] &&
              ((offset[from] > 0 && unread(place[from * 4 + 1])) || (offset[from] > 1 && unread(place[from * 4 + 2])) ||
               (offset[from] > 2 && unread(place[from * 4 + 3]))) ->
       i = 1;
       do
       :: unread(place[from * 4 + i]) -> break
       :: else -> i++
       od;
       had = false;
#ifndef NO_KNOWN
       g = 1;
       do
       :: g < 8 ->
          /* positions of generation g up to passed[g] */
          had = had || ((was[from * 4 + i] >> pos(g, 0)) & ((2 << passed[g]) - 2)) != 0;
          g++
       :: else -> break
       od;
#endif
       cursor = place[from * 4 + i];
       passed[cursor / 4] = cursor % 4;
#ifdef OWN_ID
       had = had || got[message[from * 4 + i]];
#endif
       if
       :: had -> printf("the reader leaves out message %d at (%d, %d)\n", message[from * 4 + i], cursor / 4, cursor % 4)
       :: else ->
          printf("the reader hands out message %d at (%d, %d)\n", message[from * 4 + i], cursor / 4, cursor % 4);
          assert(once || !got[message[from * 4 + i]]);
          got[message[from * 4 + i]] = true
       fi;
       i = 0; g = 0; had = false
     }
  od
}

inline follow(replica, it) {
  c = 1;
  do
  :: c < 4 ->
     message[replica * 4 + c] = message[it * 4 + c];
     place[replica * 4 + c] = place[it * 4 + c];
     was[replica * 4 + c] = was[it * 4 + c];
     c++
  :: else -> break
  od;
  c = 0;
  offset[replica] = offset[it];
  generation[replica] = generation[it];
  of_log[replica] = of_log[it];
  last[replica * 2] = last[it * 2];
  last[replica * 2 + 1] = last[it * 2 + 1]
}

inline promote(s) {
  primary = s;
  alive[s] = true;
  histories++;
  history[s] = histories;
  printf("failover: server %d is primary, with %d messages, generation %d\n", s, offset[s], generation[s])
}

proctype Failovers() {
  byte c;
  do
  :: d_step { follow(1, 0) }
  :: break
  od;
  if
  :: true -> goto still
  :: d_step { promote(1) }
  fi;
  d_step { alive[0] = false; follow(0, 1) }
  do
  :: d_step { follow(0, 1) }
  :: break
  od;
  if
  :: true -> goto still
  /* nobody has slept through the first one: repair.pml */
  :: d_step { at[0] == 1 && at[1] == 1 -> promote(0) }
  fi;
  d_step { alive[1] = false }
still:
  skip
}

init {
  alive[0] = true;
  if
#ifndef WITH_LOST
  :: skew = true; printf("the clock of server 0 stands still\n")
#endif
  :: skew = false
  fi;
  atomic { run Writer(0); run Writer(1); run Reader(); run Failovers() }
  timeout ->
  assert(all_read || ((got[1] || !acknowledged[1]) && (got[2] || !acknowledged[2]) && (got[3] || !acknowledged[3])))
}
