package peer;

import java.util.List;

/** The command line that all peers share. */
record Arguments(String broker, String topic, String group, String sinks, String geo) {
    static Arguments parse(String[] args) {
        List<String> names = List.of("-broker", "-topic", "-group", "-sinks", "-geo");
        String[] values = new String[names.size()];
        for (int i = 0; i + 1 < args.length; i += 2) {
            int at = names.indexOf(args[i]);
            if (at < 0) {
                throw new IllegalArgumentException("unknown option " + args[i]);
            }
            values[at] = args[i + 1];
        }
        for (int at = 0; at < names.size(); at++) {
            if (values[at] == null) {
                throw new IllegalArgumentException("option missing: " + names.get(at));
            }
        }
        return new Arguments(values[0], values[1], values[2], values[3], values[4]);
    }
}
