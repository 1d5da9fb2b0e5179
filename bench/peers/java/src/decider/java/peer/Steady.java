package peer;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/**
 * Measures the processor time of the process from the delivery of the first fifth of the records on, so that
 * starting and warming up is not part of it.
 */
final class Steady {
    private final OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private final long total;
    private long from, begun = -1; // records delivered and nanoseconds taken when it began

    Steady(long total) {
        this.total = total;
    }

    /** Is told from time to time how many records are delivered by now. */
    void delivered(long n) {
        if (begun < 0 && n * 5 >= total) {
            from = n;
            begun = system.getProcessCpuTime();
        }
    }

    /** Ends the measurement: all is delivered. */
    void print() {
        delivered(total);
        System.err.printf("steady %d %d%n", (system.getProcessCpuTime() - begun) / 1000, total - from);
    }
}
