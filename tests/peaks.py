"""The peak of a process's own memory, in scripts that tests run in a process of their own."""

PEAK = """
def peak():  # KiB; what getrusage says begins with the peak of the process that started this one
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
"""
