package peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.net.InetAddress;
import java.util.Arrays;

/**
 * Takes the decision of testdata/policy.yaml. A document is read up to the end of what is needed; what cannot be
 * read goes to quarantine. For one thread.
 */
final class Decider {
    private static final int US = 1, EEA = 2, ROW = 4;

    private static final byte[] HOMES = new byte[26 * 26]; // by the two letters of a country

    static {
        Arrays.fill(HOMES, (byte) ROW);
        for (String c : "US PR GU VI AS MP UM".split(" ")) {
            HOMES[index(c.charAt(0), c.charAt(1))] = US;
        }
        for (String c : ("AT BE BG HR CY CZ DK EE FI AX FR GF GP MQ YT RE MF DE GR HU IE IT LV LT LU MT "
                + "NL PL PT RO SK SI ES SE IS LI NO").split(" ")) {
            HOMES[index(c.charAt(0), c.charAt(1))] = EEA;
        }
    }

    private final JsonFactory json = new JsonFactory();
    private final Geo geo;
    private final String us, eea, row, quarantine;

    // What the last document said.
    private int region; // a home, 0: absent
    private InetAddress address; // null: none

    Decider(Geo geo, String sinks) {
        this.geo = geo;
        us = sinks + ".us";
        eea = sinks + ".eea";
        row = sinks + ".row";
        quarantine = sinks + ".quarantine";
    }

    /** The sink topic of a record with this value, which may be null. */
    String topic(byte[] value) {
        if (value == null) {
            return quarantine;
        }
        try {
            read(value);
            if (address == null) {
                return quarantine;
            }
            int seen = geo.home(address);
            if (seen == 0) {
                return quarantine;
            }
            int homes = region | seen;
            return (homes & US) != 0 ? us : (homes & EEA) != 0 ? eea : row;
        } catch (IOException e) {
            return quarantine;
        }
    }

    /** Reads both signals. It stops once both objects that hold them were met. */
    private void read(byte[] value) throws IOException {
        region = 0;
        address = null;
        boolean user = false, network = false;
        try (JsonParser p = json.createParser(value)) {
            if (p.nextToken() != JsonToken.START_OBJECT) {
                return;
            }
            for (String name; !(user && network) && (name = p.nextFieldName()) != null; ) {
                p.nextToken();
                if (!user && name.equals("user")) {
                    user = true;
                    if (find(p, "verified_region")) {
                        region = isText(p) ? home(p.getTextCharacters(), p.getTextOffset(), p.getTextLength()) : ROW;
                        leave(p);
                    }
                } else if (!network && name.equals("network")) {
                    network = true;
                    if (find(p, "ip")) {
                        address = isText(p) ? Address.parse(p.getTextCharacters(), p.getTextOffset(), p.getTextLength()) : null;
                        leave(p);
                    }
                } else {
                    p.skipChildren();
                }
            }
        }
    }

    /** Goes to the value of a member of the object at hand. False: it has none, and the object is behind. */
    private static boolean find(JsonParser p, String member) throws IOException {
        if (!p.isExpectedStartObjectToken()) {
            p.skipChildren();
            return false;
        }
        for (String name; (name = p.nextFieldName()) != null; ) {
            p.nextToken();
            if (name.equals(member)) {
                return true;
            }
            p.skipChildren();
        }
        return false;
    }

    /** Goes from a member's value to the end of its object. */
    private static void leave(JsonParser p) throws IOException {
        do {
            p.skipChildren();
        } while (p.nextFieldName() != null && p.nextToken() != null);
    }

    private static boolean isText(JsonParser p) {
        return p.currentToken() == JsonToken.VALUE_STRING;
    }

    static int home(char[] code, int at, int length) {
        if (length != 2 || !isUpper(code[at]) || !isUpper(code[at + 1])) {
            return ROW;
        }
        return HOMES[index(code[at], code[at + 1])];
    }

    private static boolean isUpper(char c) {
        return c >= 'A' && c <= 'Z';
    }

    private static int index(char first, char second) {
        return (first - 'A') * 26 + second - 'A';
    }
}
