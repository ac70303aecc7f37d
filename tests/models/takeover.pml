/* SPDX-License-Identifier: MIT
 *
 * Owning a session: PROTOCOLS 6, and repair (1) of its record.
 *
 * What is modelled: one client id. Node 0 has its session with epoch 1; nodes 1 and 2 claim it, once each, at any time.
 * A record (epoch, owner) on two servers, of which one is primary. The old owner is kicked over the bus; CONNACK waits
 * for `released`, or for its bound, which may pass at any time. An owner writes to its record at any time.
 *
 * Faults: every node pauses for as long as it likes between any two steps, so it writes and hears kicks late. The answer
 * to one claim is lost, and it is asked again. One failover; its new primary has the record as it was at any time before,
 * so that confirmed claims are forgotten; the old primary goes on taking and confirming from who has not heard of it,
 * until it is demoted. A node that finds itself at another primary sends its claim again, as it was answered, before
 * anything else; it takes effect where the record has a lower epoch. One node dies between its claim and its kick: the
 * others know it by then, or learn it from a kick that is not answered.
 *
 * Left out: what a session holds (publish.pml), membership (membership.pml). The steps of a claim - to do it, to confirm
 * it, to kick, to answer CONNACK - are steps of their own.
 *
 *   asserts one_owner  Redis takes writes of the owner only whose claim is the last that it has done
 *   asserts one_left   when all is still, at most one node has the client connected
 *   asserts served     when all is still, somebody has the client: two claims do not end each other
 *
 *   rule NO_EPOCH        one_owner  writes do not carry the epoch: a node that was paused writes over its successor's record
 *   rule NO_KICK         one_left   nobody is kicked: an old owner without anything to write keeps its client for ever
 *   rule NO_REDO         one_left   a claim that a failover forgot is not sent again: the next one does not kick its owner, and may get the same epoch
 *   rule NO_KICK_AGAIN   one_left   a claim that is sent again kicks nobody: who was served meanwhile stays
 *   rule NO_TIE          one_owner  a claim that is sent again and finds its epoch with another owner goes on: both write with it
 *   rule NO_HANDING_ON   one_left   a claimant that is kicked before its CONNACK does not kick whom it has displaced: nobody else will
 *   rule NO_NONCE        served     the repeat of a claim whose answer was lost is a claim of its own: the node is told to kick itself
 *
 *   rule NO_EVERYBODY    one_left   where the owner before has died, not all are kicked: it died before it kicked; the first owner, idle, stays for ever
 *   hole WITH_WINDOW     never_old  between a failover that forgot a confirmed claim and its repair, the owner before writes again
 */
#define NODES 3
#define NOBODY 9

hidden byte one_owner, one_left, served, never_old; /* names for what is asserted */

/* the servers */
byte epoch[2], owner[2];
byte last_claim[2];         /* ghost: who did the last claim that this server knows */
byte primary = 0;
bool alive[2] = true;       /* it takes writes: as primary, or as one that does not know yet that it is none */

/* the nodes */
byte at[NODES];             /* server to which it is connected */
byte mine[NODES];           /* epoch that it was given; 0 = none */
byte displaced[NODES];      /* whom it has to kick */
byte kicked[NODES];         /* highest epoch that it is kicked with, under way */
byte asked[NODES];          /* whom it has kicked and not heard of */
bool connected[NODES];      /* the client is */
bool over[NODES];           /* it has given up, or was displaced */
bool claiming[NODES];
bool dead[NODES];
byte newest;                /* ghost: highest epoch that was confirmed to anybody */
bool lost_answer;           /* the fault has happened */

#define here(n) (at[n] == primary && alive[at[n]])

inline kick(to, e) {
#ifdef NO_KICK
  skip
#else
  if
#ifndef NO_EVERYBODY
  :: to != NOBODY && dead[to] ->
     printf("node %d is dead: all are kicked with epoch %d\n", to, e);
     kicked[0] = (kicked[0] < e -> e : kicked[0]);
     kicked[1] = (kicked[1] < e -> e : kicked[1]);
     kicked[2] = (kicked[2] < e -> e : kicked[2])
#endif
  :: to != NOBODY && !dead[to] ->
     printf("node %d is to be kicked with epoch %d\n", to, e);
     kicked[to] = (kicked[to] < e -> e : kicked[to])
  :: else
  fi
#endif
}

inline end(n) {
#ifndef NO_HANDING_ON
  if
  :: displaced[n] != NOBODY -> kick(displaced[n], mine[n])
  :: else
  fi;
#endif
  displaced[n] = NOBODY;
  connected[n] = false;
  over[n] = true;
  claiming[n] = false;
  mine[n] = 0;
}

/* At the server to which it is connected: a higher epoch - by the clock, so not always the next one - and who was the
   owner. */
inline claim(n, s) {
  displaced[n] = owner[s];
  if
  :: epoch[s] = epoch[s] + 1
  :: epoch[s] = epoch[s] + 2
  fi;
  owner[s] = n;
  last_claim[s] = n;
  mine[n] = epoch[s];
  printf("node %d claims at server %d: epoch %d, before it node %d\n", n, s, mine[n], displaced[n])
}

/* On the new primary, before anything else is sent to it. */
inline repair(n) {
  at[n] = primary;
  printf("node %d finds server %d is primary\n", n, primary);
  if
  :: mine[n] > epoch[primary] ->
#ifdef NO_REDO
     skip
#else
     printf("node %d brings its claim again, epoch %d over %d of node %d\n", n, mine[n], epoch[primary], owner[primary]);
#ifndef NO_KICK_AGAIN
     if
     :: owner[primary] != n -> kick(owner[primary], mine[n])
     :: else
     fi;
#endif
     epoch[primary] = mine[n];
     owner[primary] = n;
     last_claim[primary] = n
#endif
  :: mine[n] > 0 && mine[n] == epoch[primary] && owner[primary] != n ->
#ifdef NO_TIE
     skip
#else
     printf("node %d finds its epoch %d with node %d, and ends\n", n, mine[n], owner[primary]);
     end(n)
#endif
  :: mine[n] > 0 && mine[n] < epoch[primary] ->
     printf("node %d is followed by epoch %d\n", n, epoch[primary]);
     end(n)
  :: else
  fi
}

inline write(n, s) {
  if
#ifdef NO_EPOCH
  :: true ->
#else
  :: mine[n] == epoch[s] ->
#endif
     printf("server %d takes a write of node %d, epoch %d\n", s, n, mine[n]);
     assert(one_owner || last_claim[s] == n);
#ifdef WITH_WINDOW
     assert(never_old || mine[n] >= newest)
#endif
  :: else ->
     printf("server %d refuses a write of node %d\n", s, n);
     end(n)
  fi
}

proctype Node(byte n) {
  bool confirmed = (n == 0), wrote = false;
  do
  /* a claim, once */
  :: atomic { n > 0 && !claiming[n] && !over[n] && mine[n] == 0 && here(n) ->
       claiming[n] = true;
       claim(n, at[n])
     }
  /* its answer was lost, and it asks again: with the same nonce, the same answer */
  :: atomic { claiming[n] && !confirmed && !lost_answer && alive[at[n]] && mine[n] == epoch[at[n]] && owner[at[n]] == n ->
       lost_answer = true;
#ifdef NO_NONCE
       claim(n, at[n])
#else
       printf("node %d claims again, and hears the same\n", n)
#endif
     }
  :: d_step { claiming[n] && !confirmed && alive[at[n]] ->
       confirmed = true;
       newest = (newest < mine[n] -> mine[n] : newest);
       printf("node %d: claim is confirmed\n", n);
     }
  :: d_step { confirmed && claiming[n] && displaced[n] != NOBODY ->
       kick(displaced[n], mine[n]);
       asked[n] = displaced[n];
       displaced[n] = NOBODY
     }
  /* no answer: it may be dead, and not have kicked whom it has displaced itself */
  :: d_step { asked[n] != NOBODY && dead[asked[n]] ->
       if
       :: mine[n] > 0 -> kick(asked[n], mine[n])
       :: else
       fi;
       asked[n] = NOBODY
     }
  /* `released`, or 200 ms */
  :: d_step { confirmed && claiming[n] && displaced[n] == NOBODY ->
       claiming[n] = false;
       connected[n] = true;
       printf("node %d: CONNACK\n", n)
     }
  /* kicks below one's own epoch are ignored */
  :: d_step { kicked[n] > 0 ->
       if
       :: mine[n] > 0 && (kicked[n] > mine[n]
#ifdef NO_NONCE
          || kicked[n] == mine[n]
#endif
          ) ->
          printf("node %d is kicked with epoch %d\n", n, kicked[n]);
          end(n)
       :: else
       fi;
       kicked[n] = 0
     }
  :: d_step { connected[n] && !wrote && alive[at[n]] ->
       wrote = true;
       write(n, at[n])
     }
  :: d_step { connected[n] && !wrote -> wrote = true } /* it has nothing to write */
  :: d_step { at[n] != primary -> repair(n); wrote = false }
  :: atomic { n == 1 && claiming[n] -> printf("node %d dies\n", n); displaced[n] = NOBODY; end(n); dead[n] = true; kicked[n] = 0; break }
  od
}

proctype Redis() {
  /* the replica has what the primary had at any time before */
  do
  :: d_step { epoch[1] = epoch[0]; owner[1] = owner[0]; last_claim[1] = last_claim[0] }
  :: break
  od;
  if
  :: d_step { primary = 1; printf("failover: server 1 is primary, with epoch %d of node %d\n", epoch[1], owner[1]) };
     d_step { alive[0] = false; printf("server 0 is demoted\n") }
  :: true
  fi
}

init {
  d_step {
    epoch[0] = 1; epoch[1] = 1;
    displaced[0] = NOBODY; displaced[1] = NOBODY; displaced[2] = NOBODY;
    asked[0] = NOBODY; asked[1] = NOBODY; asked[2] = NOBODY;
    mine[0] = 1; connected[0] = true; newest = 1
  }
  atomic { run Node(0); run Node(1); run Node(2); run Redis() }
  timeout ->
  printf("connected: node 0 %d, node 1 %d, node 2 %d\n", connected[0], connected[1], connected[2]);
  assert(one_left || connected[0] + connected[1] + connected[2] <= 1);
  assert(served || dead[1] || connected[0] + connected[1] + connected[2] >= 1)
}
