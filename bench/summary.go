//go:build unix

package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
)

// summary prints the least and the median of each subject, and both as a share of the last subject's. Noise
// only ever adds to processor time, so the least says most.
func (b *bench) summary(kinds []string, results map[string][]result) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "\ntraffic\tsubject\tus/record, least\tmedian\trecords/s, best\tMiB, most\tshare of %s, least\tmedian\n", b.subjects[len(b.subjects)-1].name)
	for _, kind := range kinds {
		base := results[b.subjects[len(b.subjects)-1].name+" "+kind]
		baseLeast, baseMedian := leastAndMedian(base)
		for _, s := range b.subjects {
			runs := results[s.name+" "+kind]
			least, median := leastAndMedian(runs)
			best, most := 0.0, int64(0)
			for _, r := range runs {
				best = max(best, float64(r.records)/r.wall.Seconds())
				most = max(most, r.rss>>20)
			}
			fmt.Fprintf(out, "%s\t%s\t%.3f\t%.3f\t%.0f\t%d\t%.2f\t%.2f\n", kind, s.name, least, median, best, most, least/baseLeast, median/baseMedian)
		}
	}
	out.Flush()
}

func leastAndMedian(runs []result) (least, median float64) {
	costs := make([]float64, len(runs))
	for i, r := range runs {
		costs[i] = r.perRecord()
	}
	slices.Sort(costs)
	return costs[0], costs[len(costs)/2]
}
