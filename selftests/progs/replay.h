/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recorded stream of accesses and what a policy's algorithm makes of each, as
 * policy_replay.c hands them to a replay program and back.
 *
 * A line of the stream is an event: its members in this order, as decimal numbers with
 * blanks between them. What @a and @b are is the replay program's to say.
 */
#ifndef _REPLAY_H
#define _REPLAY_H

struct replay_event {
	__u64 time;		/* ns */
	__u64 mm;
	__u64 page;
	__s32 proc;		/* who touches it */
	__s32 where;		/* who has it */
	__s32 a;
	__u32 b;
};

#define REPLAY_MEMBERS	7

enum replay_what {
	REPLAY_STAY,		/* stay */
	REPLAY_MOVE,		/* move AT */
	REPLAY_THROTTLE,	/* throttle UNTIL */
	REPLAY_PIN,		/* pin AT UNTIL */
	REPLAY_HOT,		/* hot FROM COUNT */
	REPLAY_NR,
};

struct replay_verdict {
	__u64 until;
	__s32 at;
	__u32 what;
};

/* Argument of the program "replay". */
struct replay_args {
	__u32 nr;
};

#endif /* _REPLAY_H */
