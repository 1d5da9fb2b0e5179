package peer;

import java.net.InetAddress;
import java.net.UnknownHostException;

/** Reads addresses as text strictly: InetAddress alone takes short forms, leading zeros and host names. */
final class Address {
    private Address() {}

    /** The address, null if the text is none. A mapped IPv4 address becomes that. */
    static InetAddress parse(char[] text, int at, int length) throws UnknownHostException {
        for (int i = at; i < at + Math.min(length, 5); i++) {
            if (text[i] == ':') {
                return parse6(new String(text, at, length));
            }
        }
        return parse4(text, at, at + length);
    }

    private static InetAddress parse4(char[] text, int at, int end) throws UnknownHostException {
        byte[] address = new byte[4];
        for (int part = 0; part < 4; part++) {
            if (part > 0 && (at == end || text[at++] != '.')) {
                return null;
            }
            int begun = at, n = 0;
            for (; at < end && at < begun + 3 && text[at] >= '0' && text[at] <= '9'; at++) {
                n = n * 10 + text[at] - '0';
            }
            if (at == begun || n > 255 || at > begun + 1 && text[begun] == '0') {
                return null;
            }
            address[part] = (byte) n;
        }
        return at == end ? InetAddress.getByAddress(address) : null;
    }

    private static InetAddress parse6(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c != ':' && c != '.' && Character.digit(c, 16) < 0 || c > 'f') {
                return null; // also a zone
            }
        }
        try {
            return InetAddress.getByName(text); // with a colon it is never looked up
        } catch (UnknownHostException e) {
            return null;
        }
    }
}
