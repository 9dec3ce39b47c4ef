import { spawn } from 'node:child_process';

/**
 * Outlives this process, however it ends, and then ends what it has left running. Nothing else can: a process
 * that is killed by SIGKILL runs no exit hook.
 */
export type Guard = {
  watch(pid: number): void;
  forget(pid: number): void;
  /** Everything was ended in an orderly way. */
  dismiss(): void;
};

// Only this process holds the other end of its stdin, so the end of the input is the end of this process. The
// processes get three seconds to end by themselves.
const SCRIPT = `
trap '' INT TERM HUP
pids=''
while read -r word pid; do
  case $word in
    watch) pids="$pids $pid" ;;
    forget)
      kept=''
      for each in $pids; do [ "$each" = "$pid" ] || kept="$kept $each"; done
      pids=$kept ;;
    dismiss) exit 0 ;;
  esac
done
[ -z "$pids" ] || kill -TERM $pids
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
  alive=''
  for each in $pids; do kill -0 "$each" && alive="$alive $each"; done
  [ -n "$alive" ] || break
  sleep 0.2
done
[ -z "$alive" ] || kill -KILL $alive
for path in "$@"; do rm -rf -- "$path"; done
`;

/** @param temporary folders to remove as well when this process is gone */
export const startGuard = (temporary: readonly string[]): Guard => {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'sluice-guard', ...temporary], {
    // A group of its own: Ctrl-C in the terminal goes to the whole group of this process.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  for (const emitter of [shell, shell.stdin])
    emitter.on('error', () => {
      // Without a shell everything works but the clean-up after a crash of this process.
    });
  shell.unref();
  const tell = (words: string): void => void shell.stdin.write(`${words}\n`);
  return {
    watch: (pid) => tell(`watch ${pid}`),
    forget: (pid) => tell(`forget ${pid}`),
    dismiss: () => void shell.stdin.end('dismiss\n'),
  };
};
