package peer;

import java.io.File;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A peer of the comparison: the same work as demarc's, written as a loop of KafkaConsumer and KafkaProducer as their
 * documentation recommends: poll, send, and once a second flush and commit. It has no quarantine of hostile input, no
 * pins and no accounts.
 */
final class Main {
    private static final long COMMIT_INTERVAL = Duration.ofSeconds(1).toNanos();

    private static final Map<String, Object> CONSUMER = Map.of(
            ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
            ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false,
            ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 2000,
            ConsumerConfig.FETCH_MIN_BYTES_CONFIG, 64 << 10,
            ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 200);

    private static final Map<String, Object> PRODUCER = Map.of(
            ProducerConfig.ACKS_CONFIG, "all",
            ProducerConfig.COMPRESSION_TYPE_CONFIG, "zstd",
            ProducerConfig.COMPRESSION_ZSTD_LEVEL_CONFIG, 1,
            ProducerConfig.LINGER_MS_CONFIG, 50,
            ProducerConfig.BATCH_SIZE_CONFIG, 256 << 10,
            ProducerConfig.BUFFER_MEMORY_CONFIG, 64L << 20);

    public static void main(String[] args) throws Exception {
        Arguments a = Arguments.parse(args);
        Steady steady;
        try (Geo geo = new Geo(new File(a.geo()));
                KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                        with(CONSUMER, Map.of(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, a.broker(), ConsumerConfig.GROUP_ID_CONFIG, a.group())),
                        new ByteArrayDeserializer(), new ByteArrayDeserializer());
                KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                        with(PRODUCER, Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, a.broker())),
                        new ByteArraySerializer(), new ByteArraySerializer())) {
            long todo = a.todo(consumer);
            steady = new Steady(todo);
            if (todo > 0) {
                consumer.subscribe(List.of(a.topic()));
                new Main(consumer, producer, new Decider(geo, a.sinks())).route(todo, steady);
            }
        }
        steady.print();
    }

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final KafkaProducer<byte[], byte[]> producer;
    private final Decider decide;
    private final AtomicLong delivered = new AtomicLong();
    private final AtomicReference<Exception> failed = new AtomicReference<>();

    private Main(KafkaConsumer<byte[], byte[]> consumer, KafkaProducer<byte[], byte[]> producer, Decider decide) {
        this.consumer = consumer;
        this.producer = producer;
        this.decide = decide;
    }

    /** Sends on so many records or more and commits them. */
    private void route(long todo, Steady steady) throws Exception {
        Callback acknowledged = (metadata, e) -> {
            if (e != null) {
                failed.compareAndSet(null, e);
            } else {
                delivered.incrementAndGet();
            }
        };
        long committed = System.nanoTime();
        while (todo > 0) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
            for (ConsumerRecord<byte[], byte[]> r : records) {
                producer.send(new ProducerRecord<>(decide.topic(r.value()), r.partition(), r.timestamp(), r.key(), r.value(), r.headers()), acknowledged);
            }
            todo -= records.count();
            steady.delivered(delivered.get());
            if (todo <= 0 || System.nanoTime() - committed > COMMIT_INTERVAL) {
                commit();
                committed = System.nanoTime();
            }
        }
    }

    /** Commits all that was polled, once it is acknowledged. */
    private void commit() throws Exception {
        producer.flush();
        if (failed.get() != null) {
            throw failed.get();
        }
        consumer.commitSync();
    }

    private static Map<String, Object> with(Map<String, Object> settings, Map<String, Object> more) {
        Map<String, Object> all = new HashMap<>(settings);
        all.putAll(more);
        return all;
    }
}
