package peer;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/**
 * A peer of the comparison: the same work as demarc's, written as a Kafka Streams topology as its documentation
 * recommends, at least once. It has no quarantine of hostile input, no pins and no accounts.
 */
final class Main {
    private static final int COUNT_INTERVAL_MS = 100; // asking for the count makes a map of all metrics

    /** A value with the decision about it. */
    private record Routed(byte[] value, String topic, int partition) {}

    public static void main(String[] args) throws Exception {
        Arguments a = Arguments.parse(args);
        long todo;
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                Map.of(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, a.broker()), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            todo = a.todo(consumer);
        }
        Steady steady = new Steady(todo);
        if (todo > 0) {
            run(a, todo, steady);
        }
        steady.print();
    }

    /** Runs the topology until so many records are sent, then closes it, which flushes and commits. */
    private static void run(Arguments a, long todo, Steady steady) throws Exception {
        Path state = Files.createTempDirectory("peer-streams-");
        CountDownLatch failed = new CountDownLatch(1);
        try (Geo geo = new Geo(new File(a.geo()));
                KafkaStreams streams = new KafkaStreams(topology(a, geo), settings(a, state))) {
            streams.setUncaughtExceptionHandler(e -> {
                e.printStackTrace();
                failed.countDown();
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            streams.start();
            for (long sent = 0; sent < todo; sent = sent(streams)) {
                steady.delivered(sent);
                if (failed.await(COUNT_INTERVAL_MS, TimeUnit.MILLISECONDS)) {
                    break;
                }
            }
        } finally {
            try (var files = Files.walk(state)) {
                files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
            }
        }
        if (failed.getCount() == 0) {
            System.exit(1);
        }
    }

    /** How many records the producers have sent, by their own count. */
    private static long sent(KafkaStreams streams) {
        double n = 0;
        for (var metric : streams.metrics().entrySet()) {
            if (metric.getKey().name().equals("record-send-total") && metric.getKey().group().equals("producer-metrics")) {
                n += (Double) metric.getValue().metricValue();
            }
        }
        return (long) n;
    }

    private static Topology topology(Arguments a, Geo geo) {
        Serde<byte[]> bytes = Serdes.ByteArray();
        Serde<Routed> routed = Serdes.serdeFrom((topic, r) -> r.value, (topic, data) -> {
            throw new UnsupportedOperationException("only written");
        });
        Map<Integer, Optional<Set<Integer>>> alone = new ConcurrentHashMap<>();
        StreamPartitioner<byte[], Routed> samePartition =
                (topic, key, r, count) -> alone.computeIfAbsent(r.partition % count, p -> Optional.of(Set.of(p)));
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(a.topic(), Consumed.with(bytes, bytes))
                .processValues(() -> new Decide(new Decider(geo, a.sinks())))
                .to((key, r, context) -> r.topic, Produced.with(bytes, routed).withStreamPartitioner(samePartition));
        return builder.build();
    }

    /** Decides each record. One for each task. */
    private static final class Decide extends ContextualFixedKeyProcessor<byte[], byte[], Routed> {
        private final Decider decide;

        Decide(Decider decide) {
            this.decide = decide;
        }

        @Override
        public void process(FixedKeyRecord<byte[], byte[]> r) {
            context().forward(r.withValue(new Routed(r.value(), decide.topic(r.value()), context().taskId().partition())));
        }
    }

    private static Properties settings(Arguments a, Path state) {
        Properties p = new Properties();
        p.putAll(Map.of(
                StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, a.broker(),
                StreamsConfig.APPLICATION_ID_CONFIG, a.group(),
                StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE,
                StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1,
                StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 10_000,
                StreamsConfig.STATE_DIR_CONFIG, state.toString(),
                StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 4000));
        p.putAll(Map.of(
                StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest",
                StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 2000,
                StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 64 << 10,
                StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 200));
        p.putAll(Map.of(
                StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all",
                StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "zstd",
                StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_ZSTD_LEVEL_CONFIG), 1,
                StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50,
                StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10,
                StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 64L << 20));
        return p;
    }
}
