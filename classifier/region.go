package classifier

// region is what a good signal value names. Below 256 it is one Country; from 256 on it is a set of countries that
// share a calling code or a mobile country code, as regionCountries lists it. A policy's own lists follow from
// staticRegions on.
type region uint16

const (
	firstSharedRegion region = 256

	// noRegion marks a code that is not assigned, or not to a country.
	noRegion region = 0xffff
)

// staticRegions is how many regions the code tables use: the first number that is free for a policy's own lists.
func staticRegions() int { return int(firstSharedRegion) + len(codes.shared) }

// regionCountries is the set of countries that r stands for; r is below staticRegions.
func regionCountries(r region) Countries {
	if r >= firstSharedRegion {
		return codes.shared[r-firstSharedRegion]
	}
	var one Countries
	one.Add(Country(r))
	return one
}
