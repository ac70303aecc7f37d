/* SPDX-License-Identifier: MIT
 *
 * Inbound QoS 2 over takeovers and failovers: PROTOCOLS 8, 6 and 1.
 *
 * What is modelled: a client that sends message 1 and then message 2, both with the same packet id, and two nodes of which
 * it is connected to one. The owner gives a PUBLISH with an unknown packet id a number, stores packet id -> number in the
 * session record, appends to the log as writer client#incarnation#epoch with that number, and answers PUBREC; PUBREL
 * deletes the packet id, PUBCOMP follows. Numbers belong to the epoch that gave them. Who claims the session reads the
 * packet id with its number, and the client sends the PUBLISH, or PUBREL, again. The log takes a number of a writer once.
 * It stands on another server than the record, and forgets nothing (that is repair.pml).
 *
 * Faults: every step takes as long as it likes; the connection breaks up to three times, and the client goes to the other
 * node, while the first one still has its bytes, and goes on with them. One node dies. One failover gives the record as
 * it was at any time before; owners write it again, from memory, where no newer epoch stands, before anything else.
 * Unless a flag says otherwise, a failover comes when the displaced owner has heard of it, a claim comes when the owner
 * before, if it lives, has repaired the record, and what a failover forgets of a node that dies is no end of a packet id.
 *
 *   asserts once    a message is not stored twice; not asserted when its node dies and a failover forgets what it had written
 *   asserts stored  a message that was answered with PUBREC is stored, whatever happens
 *
 *   rule NO_NUMBER_FIRST once    the number is stored behind the append: the next owner gives the message another one
 *   rule NO_EPOCH        stored  numbers are counted in the record, and the writer is client#incarnation: after a failover one is given to another message
 *   rule NO_CHECK        once    the log does not compare (writer, number): each repeat is stored
 *   rule NO_CLOCK        stored  the epoch is only counted (stored + 1): a failover that forgot a claim gives its epoch again, and its numbers
 *
 *   hole WITH_EARLY_CLAIM once the client comes to another node before the owner has repaired what a failover forgot: a number is not known there, and its message is stored twice; or the end of a packet id is not known, and the next message is taken for a repeat
 *   mend WITH_EARLY_CLAIM ASK    the claimant waits for `released`, which carries the packet ids that the old owner has
 *   hole WITH_RESUME      stored a client that comes back to a node which takes itself for the owner costs no Redis operation: that node may not have heard of another owner, and takes a new message for a repeat
 *   hole WITH_LATE_OWNER  once   a failover forgets the claim before the displaced owner has heard of it: it goes on with bytes of the old connection
 *   hole WITH_FORGOTTEN_END stored  the node dies and a failover forgets the end of a packet id: the next message with it is taken for a repeat
 */
#define PUBLISH 1
#define PUBREL 2
#define PUBREC 3
#define PUBCOMP 4

#ifdef WITH_EARLY_CLAIM
#define may_claim(n) true
#else
#define may_claim(n) (repaired[1 - n] || mine[1 - n] == 0)
#endif
#ifdef WITH_LATE_OWNER
#define may_fail true
#else
#define may_fail ((mine[0] == 0 || mine[0] == epoch) && (mine[1] == 0 || mine[1] == epoch))
#endif
#ifdef WITH_FORGOTTEN_END
#define keeps_ends true
#define may_die(n) true
#else
#define keeps_ends (!died || ends == old_ends)
#define may_die(n) (repaired[n] || !forgot_end)
#endif

hidden byte once, stored; /* names for what is asserted */

/* the record: its epoch; the packet id: 0 = not there, else the number, and the epoch that gave it */
byte epoch = 1, number, by, count;
byte old_epoch = 1, old_number, old_by, old_count; /* as a replica has it */
byte clock = 1;

/* the log */
byte last[6];
byte copies[3];

/* the nodes */
byte mine[2];               /* epoch as owner; 0 = none */
byte has[2], has_by[2];     /* the packet id, as in the record */
byte counted[2];            /* last number given */
bool repaired[2] = true;
bool dead[2];
byte input[2], of_message[2]; /* a packet on its connection */

/* the client */
byte connected;             /* node */
byte current = 1;           /* message */
bool received;              /* PUBREC */
bool waiting;
bool comes;                 /* it has connected, and the node has not claimed the session for it yet */
byte output;                /* packet for it, of its present connection */
byte breaks = 3;

bool promised[3];           /* PUBREC was sent */
bool died, forgot, forgot_end;
byte ends, old_ends;        /* ghost: packet ids that were deleted */

inline end(it) {
  mine[it] = 0; has[it] = 0; has_by[it] = 0; counted[it] = 0; input[it] = 0; of_message[it] = 0
}

inline give_number(n) {
  counted[n]++;
  has[n] = counted[n];
#ifdef NO_EPOCH
  has_by[n] = 0
#else
  has_by[n] = mine[n]
#endif
}

inline append(n, m) {
  if
#ifdef NO_CHECK
  :: true ->
#else
  :: has[n] > last[has_by[n]] ->
     last[has_by[n]] = has[n];
#endif
     copies[m]++;
     printf("node %d: the log stores message %d as number %d of epoch %d\n", n, m, has[n], has_by[n])
  :: else -> printf("node %d: the log has seen number %d of epoch %d\n", n, has[n], has_by[n])
  fi
}

/* A change of the record, or the end of this owner. */
inline store(n) {
  if
  :: epoch == mine[n] -> number = has[n]; by = has_by[n]; count = counted[n]
  :: else -> printf("node %d is refused, its epoch %d is followed by %d\n", n, mine[n], epoch); end(n)
  fi
}

proctype Node(byte n) {
  byte step;
  do
  /* the client has come */
  :: d_step { connected == n && !dead[n] && (mine[n] == 0 || (comes && repaired[n])) && may_claim(n) ->
       comes = false;
       clock++;
#ifdef NO_CLOCK
       epoch++;
#else
       epoch = clock;
#endif
       mine[n] = epoch;
       repaired[n] = true;
#ifdef ASK
       if
       :: mine[1 - n] > 0 ->
          if
          :: !repaired[1 - n] -> number = has[1 - n]; by = has_by[1 - n]
          :: else
          fi;
          end(1 - n)
       :: else
       fi;
#endif
       has[n] = number; has_by[n] = by;
#ifdef NO_EPOCH
       counted[n] = count;
#else
       counted[n] = 0;
#endif
       step = 0;
       printf("node %d owns the session with epoch %d, packet id has number %d of epoch %d\n", n, epoch, number, by)
     }
  :: d_step { mine[n] > 0 && !repaired[n] ->
       repaired[n] = true;
       if
       :: epoch <= mine[n] ->
          epoch = mine[n]; number = has[n]; by = has_by[n]; count = counted[n];
          printf("node %d writes the record again, epoch %d, number %d of epoch %d\n", n, epoch, number, by)
       :: else -> end(n)
       fi
     }
  /* kicked, at some time */
  :: d_step { mine[n] > 0 && mine[n] < epoch && repaired[n] && connected != n -> end(n); step = 0; printf("node %d is kicked\n", n) }
#ifdef NO_NUMBER_FIRST
  :: d_step { mine[n] > 0 && input[n] == PUBLISH && step == 0 ->
       if
       :: has[n] == 0 -> give_number(n)
       :: else
       fi;
       append(n, of_message[n]);
       step = 1
     }
  :: d_step { mine[n] > 0 && input[n] == PUBLISH && step == 1 && repaired[n] -> store(n); step = 2 }
#else
  :: d_step { mine[n] > 0 && input[n] == PUBLISH && step == 0 && repaired[n] ->
       if
       :: has[n] == 0 -> give_number(n); store(n)
       :: else
       fi;
       step = 1
     }
  :: d_step { mine[n] > 0 && input[n] == PUBLISH && step == 1 -> append(n, of_message[n]); step = 2 }
#endif
  :: d_step { mine[n] > 0 && input[n] == PUBLISH && step == 2 ->
       promised[of_message[n]] = true;
       printf("node %d answers PUBREC for message %d\n", n, of_message[n]);
       if
       :: connected == n -> output = PUBREC
       :: else
       fi;
       input[n] = 0; of_message[n] = 0; step = 0
     }
  :: d_step { mine[n] > 0 && input[n] == PUBREL && repaired[n] ->
       has[n] = 0; has_by[n] = 0;
       store(n);
       ends++;
       if
       :: connected == n && mine[n] > 0 -> output = PUBCOMP
       :: else
       fi;
       input[n] = 0; of_message[n] = 0
     }
  :: d_step { mine[n] == 0 && step > 0 -> step = 0 }
  od
}

proctype Client() {
  do
  :: d_step { !waiting && !comes && current <= 2 && mine[connected] > 0 ->
       waiting = true;
       input[connected] = (received -> PUBREL : PUBLISH);
       of_message[connected] = current;
       printf("the client sends packet %d of message %d to node %d\n", input[connected], current, connected)
     }
  :: d_step { output == PUBREC -> output = 0; received = true; waiting = false }
  :: d_step { output == PUBCOMP -> output = 0; received = false; waiting = false; current++ }
  :: d_step { (breaks > 0 || dead[connected]) && current <= 2 && !dead[1 - connected] ->
       if
       :: breaks > 0 -> breaks--
       :: else
       fi;
       connected = 1 - connected;
       input[connected] = 0; of_message[connected] = 0;
       output = 0; waiting = false;
#ifdef WITH_RESUME
       comes = (mine[connected] == 0);
#else
       comes = true;
#endif
       printf("the client goes to node %d\n", connected)
     }
  od
}

proctype Redis() {
  do
  :: d_step { old_epoch = epoch; old_number = number; old_by = by; old_count = count; old_ends = ends }
  :: break
  od;
  if
  :: true
  :: d_step {
       may_fail && keeps_ends ->
       forgot = true;
       forgot_end = (ends != old_ends);
       epoch = old_epoch; number = old_number; by = old_by; count = old_count;
       repaired[0] = dead[0]; repaired[1] = dead[1];
       printf("a failover: the record has epoch %d, number %d of epoch %d\n", epoch, number, by)
     }
  fi
}

inline die(n) {
  died = true; dead[n] = true; repaired[n] = true; end(n);
  printf("node %d dies\n", n)
}

proctype Death() {
  if
  :: true
  :: d_step { may_die(0) -> die(0) }
  :: d_step { may_die(1) -> die(1) }
  fi
}

init {
  mine[0] = 1;
  atomic { run Death(); run Node(0); run Node(1); run Client(); run Redis() }
  timeout ->
  printf("message 1 is stored %d times, message 2 %d times\n", copies[1], copies[2]);
  assert(stored || ((copies[1] > 0 || !promised[1]) && (copies[2] > 0 || !promised[2])));
  assert(once || (died && forgot) || (copies[1] <= 1 && copies[2] <= 1))
}
