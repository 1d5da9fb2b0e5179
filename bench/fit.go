//go:build linux

package main

import (
	"errors"
	"math"
)

// errUndetermined says that rows do not tell all unknowns apart.
var errUndetermined = errors.New("fit: the measured cells do not determine the model")

// leastSquares finds x for which the sum of the squares of rows·x - values is least, by the normal equations. Each
// row has one coefficient for each unknown.
func leastSquares(rows [][]float64, values []float64) ([]float64, error) {
	if len(rows) == 0 {
		return nil, errUndetermined
	}
	n := len(rows[0])
	m := make([][]float64, n) // the normal equations, with their right side
	for i := range m {
		m[i] = make([]float64, n+1)
		for k, row := range rows {
			for j := range n {
				m[i][j] += row[i] * row[j]
			}
			m[i][n] += row[i] * values[k]
		}
	}
	for i := range m { // Gauss, with the largest pivot
		pivot := i
		for k := i + 1; k < n; k++ {
			if math.Abs(m[k][i]) > math.Abs(m[pivot][i]) {
				pivot = k
			}
		}
		if math.Abs(m[pivot][i]) < 1e-9 {
			return nil, errUndetermined
		}
		m[i], m[pivot] = m[pivot], m[i]
		for k := range m {
			if k == i {
				continue
			}
			f := m[k][i] / m[i][i]
			for j := i; j <= n; j++ {
				m[k][j] -= f * m[i][j]
			}
		}
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = m[i][n] / m[i][i]
	}
	return x, nil
}
