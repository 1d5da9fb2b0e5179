package peer;

import com.maxmind.db.CHMCache;
import com.maxmind.db.DatabaseRecord;
import com.maxmind.db.MaxMindDbConstructor;
import com.maxmind.db.MaxMindDbParameter;
import com.maxmind.db.Reader;
import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.util.Arrays;

/**
 * The geo database. Decoding takes the reader more than a microsecond even with its cache, so answers are kept for
 * the whole network that they hold for, as a byte for each IPv4 /24. Threads may share it: each would
 * write the same bytes.
 */
public final class Geo implements Closeable {
    private static final byte NOT_ASKED = 0, NARROW = -1, UNKNOWN = -2;

    private final Reader reader;
    private final byte[] known = new byte[1 << 24]; // by the first three bytes; NARROW: networks smaller than a /24

    Geo(File file) throws IOException {
        reader = new Reader(file, Reader.FileMode.MEMORY, new CHMCache());
    }

    /** The home of the country of an address, 0 if it is not known. */
    int home(InetAddress address) throws IOException {
        byte[] bytes = address.getAddress();
        if (bytes.length != 4) {
            return ask(address).home;
        }
        int at = (bytes[0] & 0xff) << 16 | (bytes[1] & 0xff) << 8 | bytes[2] & 0xff;
        if (known[at] == NOT_ASKED) {
            keep(at, ask(address));
        }
        return known[at] == NARROW ? ask(address).home : known[at] == UNKNOWN ? 0 : known[at];
    }

    private record Answer(int home, int prefix) {}

    private Answer ask(InetAddress address) throws IOException {
        DatabaseRecord<Location> found = reader.getRecord(address, Location.class);
        Location l = found.data();
        return new Answer(l == null || l.country == null ? 0 : l.country.home, found.network().prefixLength());
    }

    private void keep(int at, Answer answer) {
        if (answer.prefix > 24) {
            known[at] = NARROW;
            return;
        }
        int size = 1 << 24 - answer.prefix;
        int first = at & -size;
        Arrays.fill(known, first, first + size, answer.home == 0 ? UNKNOWN : (byte) answer.home);
    }

    @Override
    public void close() throws IOException {
        reader.close();
    }

    /** What is read of a record of the database. The reader's cache keeps a country once decoded. */
    public static final class Location {
        final Country country;

        @MaxMindDbConstructor
        public Location(@MaxMindDbParameter(name = "country") Country country) {
            this.country = country;
        }
    }

    public static final class Country {
        final int home; // 0: unknown

        @MaxMindDbConstructor
        public Country(@MaxMindDbParameter(name = "iso_code") String code) {
            home = code == null || code.isEmpty() ? 0 : Decider.home(code.toCharArray(), 0, code.length());
        }
    }
}
