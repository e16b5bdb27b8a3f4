# TERM=dumb on the kernel's command line: a program is at the far end of the serial line. It gets no echo and no
# questions to a terminal; the shell shows each command that it reads.
if [ "$(tty)" = /dev/ttyS0 ] && grep -qw TERM=dumb /proc/cmdline; then
    export TERM=dumb
    stty -echo
    PROMPT_COMMAND='unset PROMPT_COMMAND; set -v'
fi
